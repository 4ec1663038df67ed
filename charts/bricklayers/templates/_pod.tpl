{{/* Fields of a pod that are the same for manager and gateway: (dict "root" $ "component" NAME "values" VALUES). */}}
{{- define "bricklayers.pod.fields" -}}
serviceAccountName: {{ include "bricklayers.serviceAccountName" . }}
automountServiceAccountToken: true
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .values.podSecurityContext | nindent 2 }}
{{- if not .values.hostUsers }}
hostUsers: false
{{- end }}
terminationGracePeriodSeconds: {{ int64 .values.terminationGracePeriodSeconds }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if .values.affinity }}
  {{- toYaml .values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "bricklayers.selectorLabels" . | nindent 12 }}
  {{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* metadata of the pod template: (dict "root" $ "component" NAME "values" VALUES). */}}
{{- define "bricklayers.pod.metadata" -}}
labels:
  {{- include "bricklayers.selectorLabels" . | nindent 2 }}
  {{- with merge (dict) .values.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
GOMEMLIMIT follows the memory limit, so that the collector works harder before the kernel kills. POD_NAMESPACE is for
arguments: a manifest can then be put into another namespace without editing them. Without OTEL_EXPORTER_OTLP_ENDPOINT
there are no traces.
*/}}
{{- define "bricklayers.pod.env" -}}
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .root.Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
