package main

import "testing"

func TestSplit(t *testing.T) {
	files, err := split([]byte(`---
# Source: bricklayers/templates/manager/service.yaml
apiVersion: v1
kind: Service
metadata:
  name: a
  labels:
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: bricklayers-0.1.0
    app.kubernetes.io/name: bricklayers
  annotations:
    helm.sh/resource-policy: keep
---
# Source: bricklayers/templates/manager/rbac.yaml
kind: Role
rules:
# why
- verbs: [get]
---
# Source: bricklayers/templates/manager/rbac.yaml
kind: RoleBinding
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"manager/service.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n" +
			"  labels:\n    app.kubernetes.io/name: bricklayers\n",
		"rbac/manager.yaml": "kind: Role\nrules:\n# why\n- verbs: [get]\n---\nkind: RoleBinding\n",
	}
	for path, content := range want {
		if got := string(files[path]); got != content {
			t.Errorf("%s is\n%s\nwant\n%s", path, got, content)
		}
	}
	if len(files) != len(want) {
		t.Errorf("got %d files, want %d", len(files), len(want))
	}
}

func TestSplitUnknownSource(t *testing.T) {
	if _, err := split([]byte("kind: Service\n")); err == nil {
		t.Error("a document from nowhere is taken")
	}
}

func TestConfigPath(t *testing.T) {
	for source, want := range map[string]string{
		"processors.yaml":                "samples/processor_brick.yaml",
		"gateway/rbac.yaml":              "rbac/gateway.yaml",
		"rbac/user-roles.yaml":           "rbac/user-roles.yaml",
		"gateway/deployment.yaml":        "gateway/deployment.yaml",
		"monitoring/servicemonitor.yaml": "prometheus/servicemonitor.yaml",
		"monitoring/dashboards.yaml":     "grafana/dashboards.yaml",
	} {
		if got := configPath(source); got != want {
			t.Errorf("%s goes to %s, want %s", source, got, want)
		}
	}
}
