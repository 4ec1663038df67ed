{{/* Egress rule to DNS. */}}
{{- define "bricklayers.networkPolicy.dns" -}}
- ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
  {{- with .Values.networkPolicy.dns }}
  to:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Egress rule to the API server. */}}
{{- define "bricklayers.networkPolicy.apiServer" -}}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - {port: {{ int64 . }}, protocol: TCP}
  {{- end }}
  {{- with .Values.networkPolicy.apiServer }}
  to:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Egress rule to the collector of traces, if there is one. */}}
{{- define "bricklayers.networkPolicy.collector" -}}
{{- with .Values.tracing.endpoint }}
- ports:
  - {port: {{ regexFind "[0-9]+$" (urlParse .).host }}, protocol: TCP}
  {{- with $.Values.networkPolicy.collector }}
  to:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Ingress rule from clients to a port: (dict "root" $ "port" NAME). */}}
{{- define "bricklayers.networkPolicy.clients" -}}
- ports:
  - {port: {{ .port }}, protocol: TCP}
  {{- with .root.Values.networkPolicy.clients }}
  from:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Labels that every job pod carries, and nothing else of this installation. */}}
{{- define "bricklayers.networkPolicy.jobPods" -}}
matchLabels:
  app.kubernetes.io/managed-by: bricklayers
matchExpressions:
- {key: processing.bricklayers.dev/job-uid, operator: Exists}
{{- end -}}
