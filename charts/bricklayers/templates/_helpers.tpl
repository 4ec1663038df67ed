{{/* Prefix of the names of objects. A release called bricklayers gives bricklayers-manager, not bricklayers-bricklayers-manager. */}}
{{- define "bricklayers.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-wide objects carry the namespace, so that two releases of one name can live in two namespaces. */}}
{{- define "bricklayers.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "bricklayers.fullname" .) -}}
{{- end -}}

{{- define "bricklayers.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* metadata.labels and metadata.annotations of an object: (dict "root" $ "component" NAME "annotations" MAP). */}}
{{- define "bricklayers.metadata" -}}
labels:
  {{- include "bricklayers.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/part-of: bricklayers
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Image of one of our binaries: (dict "root" $ "name" NAME). */}}
{{- define "bricklayers.image" -}}
{{- printf "%s/%s:%s" (trimSuffix "/" .root.Values.image.registry) .name (default .root.Chart.AppVersion .root.Values.image.tag) -}}
{{- end -}}

{{/* Name of a component's service account: (dict "root" $ "component" NAME "values" VALUES). */}}
{{- define "bricklayers.serviceAccountName" -}}
{{- if .values.serviceAccount.create -}}
{{- default (printf "%s-%s" (include "bricklayers.fullname" .root) .component) .values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Namespace of the jobs that uploads make. */}}
{{- define "bricklayers.jobNamespace" -}}
{{- $namespace := coalesce .Values.jobs.namespace .Values.watchNamespace .Release.Namespace -}}
{{- if and .Values.watchNamespace (ne $namespace .Values.watchNamespace) -}}
{{- fail (printf "jobs.namespace is %q, but only watchNamespace %q is watched: jobs made by uploads would never run; set both to the same namespace" $namespace .Values.watchNamespace) -}}
{{- end -}}
{{- $namespace -}}
{{- end -}}
