#!/usr/bin/env bash
# Runs the tests of one level (unit, integration, e2e or all) and ends with one summary line; what was skipped stands
# above it with its reason. Unit tests need nothing; integration tests need the programs that `make cluster-build` makes;
# end-to-end tests need root besides, and the images.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-all}
case $level in
unit | integration | e2e | all) ;;
*)
  echo "usage: hack/test.sh [unit|integration|e2e|all]" >&2
  exit 64
  ;;
esac

if [ "${2:-}" != --json ]; then
  go tool -modfile=hack/tools/go.mod gotestsum --format "${GOTESTSUM_FORMAT:-pkgname}" \
    --raw-command -- hack/test.sh "$level" --json
  exit
fi

status=0
run() { "$@" || status=1; }

if [ "$level" != e2e ]; then
  [ "$level" = unit ] || export KUBEBUILDER_ASSETS="$PWD/bin/node"
  mapfile -t packages < <(go list ./... | grep -vE '/test/(e2e|install|docs)$')
  run go test -json -timeout 15m "${packages[@]}"
  for module in hack/images hack/release; do
    (cd "$module" && go test -json -count=1 ./...) || status=1
  done
fi
if [ "$level" = e2e ] || [ "$level" = all ]; then
  # One after the other: each has the whole machine, and real pods have deadlines.
  # Not ./... in hack/cluster: its packages import all of Kubernetes.
  (cd hack/cluster && CGO_ENABLED=0 go test -json -count=1 -timeout 10m . ./internal/...) || status=1
  run go test -json -count=1 -timeout 30m ./test/e2e
  run go test -json -count=1 -timeout 30m ./test/install
  run go test -json -count=1 -timeout 30m ./test/docs
fi
exit $status
