{{/*
A role and its binding to a component's service account:
(dict "root" $ "component" NAME "values" VALUES "name" NAME "namespace" NAMESPACE "rules" YAML). Without a namespace it
is a ClusterRole.
*/}}
{{- define "bricklayers.role" -}}
{{- $cluster := ternary "Cluster" "" (empty .namespace) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $cluster }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "bricklayers.metadata" . | nindent 2 }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $cluster }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "bricklayers.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $cluster }}Role
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "bricklayers.serviceAccountName" . }}
  namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Name of the role for the watched namespaces: (dict "root" $ "component" NAME). */}}
{{- define "bricklayers.watchRoleName" -}}
{{- if .root.Values.watchNamespace -}}
{{- include "bricklayers.fullname" .root }}-{{ .component -}}
{{- else -}}
{{- include "bricklayers.clusterName" .root }}-{{ .component -}}
{{- end -}}
{{- end -}}

{{/* Rules for the leader election over the lease of that name. */}}
{{- define "bricklayers.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ . }}]
  verbs: [get, update]
{{- end -}}
