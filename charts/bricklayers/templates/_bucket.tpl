{{/* Address of the bucket. */}}
{{- define "bricklayers.bucket.url" -}}
{{- default "file:///var/lib/bricklayers" .Values.bucket.url -}}
{{- end -}}

{{- define "bricklayers.bucket.claimName" -}}
{{- default (printf "%s-bucket" (include "bricklayers.fullname" .)) .Values.bucket.volume.existingClaim -}}
{{- end -}}

{{/* "true" when only one gateway pod may hold the bucket at a time. */}}
{{- define "bricklayers.bucket.exclusive" -}}
{{- if and (not .Values.bucket.url) (not (has "ReadWriteMany" .Values.bucket.volume.accessModes)) -}}
{{- if gt (int .Values.gateway.replicas) 1 -}}
{{- fail (printf "gateway.replicas is %d, but the bucket is a volume that one node can mount: set bucket.url, or bucket.volume.accessModes to [ReadWriteMany]" (int .Values.gateway.replicas)) -}}
{{- end -}}
true
{{- end -}}
{{- end -}}

{{- define "bricklayers.bucket.env" -}}
{{- if .Values.bucket.googleKey.secretName -}}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /var/run/secrets/google/{{ .Values.bucket.googleKey.key }}
{{- end -}}
{{- end -}}

{{- define "bricklayers.bucket.volumeMounts" -}}
{{- if not .Values.bucket.url }}
- name: bucket
  mountPath: /var/lib/bricklayers
{{- end }}
{{- if .Values.bucket.googleKey.secretName }}
- name: google-key
  mountPath: /var/run/secrets/google
  readOnly: true
{{- end }}
{{- end -}}

{{- define "bricklayers.bucket.volumes" -}}
{{- if not .Values.bucket.url }}
- name: bucket
  persistentVolumeClaim:
    claimName: {{ include "bricklayers.bucket.claimName" . }}
{{- end }}
{{- with .Values.bucket.googleKey.secretName }}
- name: google-key
  secret:
    secretName: {{ . }}
{{- end }}
{{- end -}}
