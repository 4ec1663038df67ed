{{/* "true" when objects of a kind are wanted: (dict "root" $ "enabled" true|false|"auto" "kind" KIND). */}}
{{- define "bricklayers.monitoring.wanted" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- ternary "true" "" (.root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind)) -}}
{{- else if .enabled -}}
true
{{- end -}}
{{- end -}}

{{/* Rules to find out who asks for metrics and whether they may. */}}
{{- define "bricklayers.monitoring.authRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}

{{/* metadata of an object for the Prometheus Operator: (dict "root" $ "component" NAME). */}}
{{- define "bricklayers.monitoring.metadata" -}}
{{- $metadata := include "bricklayers.metadata" . | fromYaml -}}
{{- $metadata = set $metadata "labels" (merge (dict) .root.Values.monitoring.labels $metadata.labels) -}}
{{- toYaml $metadata -}}
{{- end -}}
