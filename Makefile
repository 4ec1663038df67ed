SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := $(CURDIR)/bin
# The cluster of the demo; its state, kubeconfig and logs are below bin/$(CLUSTER).
CLUSTER ?= cluster
IMAGE_REGISTRY ?= bricklayers.dev
TAG ?= v0.2.0-dev
NAMESPACE ?= bricklayers-system
HELM_ARGS ?=

COMMANDS := manager gateway agent brick
# What people run themselves, not in the cluster.
CLIENTS := bricklayers
# Static, stripped, without paths of the machine or the state of the checkout: the same source gives the same bytes anywhere.
# The Google client of the bucket brings gRPC's optional modules along, a sixth of the gateway, unless this tag is set.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags disable_grpc_modules -ldflags "-s -w -X bricklayers.dev/bricklayers/internal/version.Version=$(TAG)"
# Those that speak TLS outside the cluster carry certificate authorities in their image; the manager may to a collector.
SET_CA = case $$name in manager|gateway|agent) ca=--ca-certificates;; *) ca=;; esac
# What watches the product in its tests.
MONITORING := $(BIN)/monitoring/operator $(BIN)/monitoring/prometheus
CONTROLLER_GEN := go tool controller-gen
GOTESTSUM := go tool -modfile=hack/tools/go.mod gotestsum

##@ Start here

.PHONY: help
help: ## Say what can be made.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: cluster-build images ## Start a cluster, install Bricklayers, and send a print through it.
	@go run ./hack/demo -cluster $(CLUSTER) -tag $(TAG)

.PHONY: test
test: cluster-build images $(BIN)/versitygw $(MONITORING) ## Run every test: unit, integration (real API server), end to end (real pods).
	@hack/test.sh

##@ Parts of it

.PHONY: test-unit
test-unit: ## Run the tests that need nothing but Go.
	@hack/test.sh unit

.PHONY: test-integration
test-integration: cluster-build $(BIN)/versitygw ## Run the unit tests and those that need a real API server.
	@hack/test.sh integration

.PHONY: test-e2e
test-e2e: cluster-build images $(MONITORING) ## Run the tests that need a real node and pods.
	@hack/test.sh e2e

.PHONY: build
build: $(addprefix build-,$(COMMANDS) $(CLIENTS)) ## Build the programs into bin/.
	@ln -sf bricklayers $(BIN)/kubectl-bricklayers

.PHONY: $(addprefix build-,$(COMMANDS) $(CLIENTS))
$(addprefix build-,$(COMMANDS) $(CLIENTS)): build-%:
	@$(GO_BUILD) -o $(BIN)/$* ./cmd/$*

.PHONY: images
images: build tools-packimage ## Pack the programs into container images (bin/images).
	@for name in $(COMMANDS); do \
	  $(SET_CA); \
	  $(BIN)/packimage --binary $(BIN)/$$name --name $(IMAGE_REGISTRY)/$$name:$(TAG) $$ca -o $(BIN)/images/$$name.tar; \
	done

.PHONY: push
push: build tools-packimage ## Push the images to IMAGE_REGISTRY.
	@for name in $(COMMANDS); do \
	  $(SET_CA); \
	  $(BIN)/packimage --binary $(BIN)/$$name --name $(IMAGE_REGISTRY)/$$name:$(TAG) $$ca --push; \
	done

.PHONY: deploy
deploy: push $(BIN)/helm ## Push the images to IMAGE_REGISTRY and install the chart into the cluster of KUBECONFIG.
	@$(BIN)/helm upgrade --install bricklayers charts/bricklayers --namespace $(NAMESPACE) --create-namespace \
	  --set image.registry=$(IMAGE_REGISTRY) --set image.tag=$(TAG) --wait $(HELM_ARGS)

.PHONY: undeploy
undeploy: $(BIN)/helm ## Uninstall the chart from the cluster of KUBECONFIG.
	@$(BIN)/helm uninstall bricklayers --namespace $(NAMESPACE) --wait

##@ The page

.PHONY: web
web: web/node_modules ## Build the page from web/ into internal/web/dist (needs Node.js).
	@cd web && npm run --silent build -- --logLevel warn

.PHONY: verify-web
verify-web: web/node_modules ## Check that the page that is embedded is what web/ builds.
	@out=$$(mktemp -d) && trap 'rm -rf $$out' EXIT && cd web && npm run --silent build -- --logLevel warn --outDir $$out && \
	  diff -r $$out ../internal/web/dist || { echo "the embedded page is not what web/ builds: run make web"; exit 1; }

web/node_modules: web/package-lock.json
	@cd web && npm ci --no-audit --no-fund --loglevel=error && touch node_modules

##@ A release

ARCHS := amd64 arm64
# Where people run a program themselves: brick beside the slicer, and the command bricklayers.
DESKTOP_PLATFORMS := darwin/amd64 darwin/arm64 windows/amd64
RELEASE := $(BIN)/release/$(TAG)
COMMIT ?= $(shell git rev-parse HEAD)$(shell git diff --quiet HEAD || echo -dirty)
EPOCH ?= $(shell git log -1 --format=%ct)
# A tar of the same files is the same tar.
TAR = tar --sort=name --mtime=@$(EPOCH) --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX

.PHONY: programs
programs: ## Build the programs of a release for every platform.
	@mkdir -p $(RELEASE)/programs
	@for arch in $(ARCHS); do for name in $(COMMANDS) $(CLIENTS); do \
	  GOOS=linux GOARCH=$$arch $(GO_BUILD) -o $(RELEASE)/programs/$$name-linux-$$arch ./cmd/$$name; \
	done; done
	@for platform in $(DESKTOP_PLATFORMS); do for name in brick $(CLIENTS); do \
	  case $$platform in windows/*) suffix=.exe;; *) suffix=;; esac; \
	  GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO_BUILD) -o $(RELEASE)/programs/$$name-$${platform%/*}-$${platform#*/}$$suffix ./cmd/$$name; \
	done; done

.PHONY: release
release: clean-release programs tools-packimage $(BIN)/helm ## Make programs, images, chart, manifests, bills of materials, checksums.
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for name in $(COMMANDS); do \
	  binaries=; for arch in $(ARCHS); do \
	    mkdir -p $$work/$$arch; cp $(RELEASE)/programs/$$name-linux-$$arch $$work/$$arch/$$name; \
	    binaries="$$binaries --binary $$work/$$arch/$$name"; \
	  done; \
	  $(SET_CA); \
	  $(BIN)/packimage $$binaries --name $(IMAGE_REGISTRY)/$$name:$(TAG) $$ca --layout $$work/images/$$name; \
	  mkdir -p $(RELEASE)/images; $(TAR) -C $$work/images/$$name -cf $(RELEASE)/images/$$name.oci.tar .; \
	done; \
	$(BIN)/helm package charts/bricklayers --version $(TAG:v%=%) --app-version $(TAG) --destination $$work >/dev/null; \
	tar -C $$work -xzf $$work/bricklayers-$(TAG:v%=%).tgz; \
	$(TAR) -C $$work -cf - bricklayers | gzip -n >$(RELEASE)/bricklayers-$(TAG:v%=%).tgz
	@$(BIN)/helm template bricklayers $(RELEASE)/bricklayers-$(TAG:v%=%).tgz --namespace bricklayers-system --skip-tests \
	  >$(RELEASE)/bricklayers.yaml
	@go run -C hack/release . describe --root $(CURDIR) --dir $(RELEASE) --version $(TAG) --commit $(COMMIT) --epoch $(EPOCH)
	@echo "$(RELEASE)"

.PHONY: clean-release
clean-release:
	@rm -rf $(RELEASE)

##@ The cluster on this machine

.PHONY: cluster-build
cluster-build: tools-clusterctl ## Build Kubernetes and what its node needs from source (minutes, once).
	@$(BIN)/clusterctl build

.PHONY: cluster-up
cluster-up: cluster-build ## Start the cluster.
	@$(BIN)/clusterctl up --name $(CLUSTER) --forward 127.0.0.1:8000=$(NAMESPACE)/bricklayers-gateway:8000 \
	  --forward 127.0.0.1:8080=$(NAMESPACE)/bricklayers-manager:8080

.PHONY: cluster-down
cluster-down: tools-clusterctl ## Remove the cluster and everything it started.
	@$(BIN)/clusterctl down --name $(CLUSTER)

.PHONY: tools-clusterctl
tools-clusterctl:
	@CGO_ENABLED=0 go build -C hack/cluster -o $(BIN)/clusterctl .

.PHONY: tools-packimage
tools-packimage:
	@CGO_ENABLED=0 go build -C hack/images -o $(BIN)/packimage .

$(BIN)/helm: | tools-clusterctl
	@$(BIN)/clusterctl build helm

##@ Benchmarks: a line of JSON per figure; they fail when a figure misses its bar

.PHONY: bench-brick
bench-brick: ## Measure brick against a plain parse and copy.
	@go run ./test/perf/brick

.PHONY: bench-controller
bench-controller: cluster-build build-manager $(BIN)/kwok ## Measure the manager against two floors on a real control plane.
	@go run ./test/perf/controller

.PHONY: bench-gateway
bench-gateway: cluster-build $(BIN)/versitygw ## Measure the gateway against floors (tusd, nginx) and under attack.
	@KUBEBUILDER_ASSETS=$(BIN)/node go run ./test/perf/gateway

.PHONY: bench-metrics
bench-metrics: ## Measure what a scrape and counting cost.
	@go run ./test/perf/metrics

# A real S3 server for the tests of the bucket.
$(BIN)/versitygw: hack/tools/versitygw/go.mod
	@cd hack/tools/versitygw && CGO_ENABLED=0 go build -o $@ github.com/versity/versitygw/cmd/versitygw

# The Prometheus Operator with its config reloader, and a Prometheus that finds its targets in Kubernetes only.
$(BIN)/monitoring/operator: hack/tools/prometheus-operator/go.mod
	@echo "building the Prometheus Operator (up to 7 minutes when Go has not compiled it before)"
	@cd hack/tools/prometheus-operator && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(@D)/ tool && touch $@

$(BIN)/monitoring/prometheus: hack/tools/prometheus/go.mod
	@echo "building Prometheus (up to 6 minutes when Go has not compiled it before)"
	@cd hack/tools/prometheus && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" \
	  -tags remove_all_sd,enable_kubernetes_sd,disable_grpc_modules -o $(@D)/ tool && touch $@

$(BIN)/kwok: hack/tools/kwok/go.mod
	@cd hack/tools/kwok && CGO_ENABLED=0 go build -o $@ sigs.k8s.io/kwok/cmd/kwok

##@ Before a commit

.PHONY: generate
generate: $(BIN)/helm ## Make every generated file anew.
	@$(CONTROLLER_GEN) object applyconfiguration:omitToolVersion=true crd paths=./api/... output:crd:dir=config/crd
	@cd hack/dashboards && go run .
	@go run ./hack/monitoring
	@go run ./hack/chart
	@go run ./hack/apidocs

.PHONY: verify
verify: generate lint ## Check that generated files, formatting and lint are as they should be.
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@go vet ./...
	@go run -C hack/release . licences --root $(CURDIR)
	@go run -C hack/release . vulnerabilities --root $(CURDIR)
	@$(BIN)/helm lint --strict --quiet charts/bricklayers
	@git diff --exit-code -- api config charts docs || { echo "generated files were out of date; commit what make generate made"; exit 1; }
	@if command -v npm >/dev/null; then $(MAKE) verify-web; else echo "no npm: the embedded page is not checked"; fi
	@test -z "$$(git status --porcelain -- api config charts docs)" || { git status --short -- api config charts docs; \
	  echo "generated files are not committed"; exit 1; }

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run golangci-lint with the Kubernetes API linter.
	@$(BIN)/golangci-lint run

$(BIN)/golangci-lint: hack/lint/go.mod
	@cd hack/lint && go build -o $@ sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter

.PHONY: clean
clean: cluster-down ## Remove the cluster and everything that was built.
	@rm -rf $(BIN)
