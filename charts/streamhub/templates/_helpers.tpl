{{/* The name of an object: what the release is called, and the part. include "streamhub.name" (list $ "operator") */}}
{{- define "streamhub.name" -}}
{{- $release := (index . 0).Release.Name -}}
{{- $base := contains "streamhub" $release | ternary $release (printf "%s-streamhub" $release) -}}
{{- printf "%s-%s" ($base | trunc 50 | trimSuffix "-") (index . 1) -}}
{{- end -}}

{{/* What is the same in all versions of a part: include "streamhub.selector" (list $ "operator") */}}
{{- define "streamhub.selector" -}}
app.kubernetes.io/name: streamhub
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of objects; not of pods, which would be replaced by each upgrade of the chart. */}}
{{- define "streamhub.labels" -}}
{{- $top := index . 0 -}}
{{ include "streamhub.selector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* include "streamhub.image" (list $ .Values.operator.image) */}}
{{- define "streamhub.image" -}}
{{- $top := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $top.Values.imageRegistry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $top.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "streamhub.natsUrl" -}}
{{- if .Values.nats.url -}}
{{- if .Values.nats.enabled -}}
{{- fail "nats.url names a server of your own: set nats.enabled to false, or leave the url empty" -}}
{{- end -}}
{{- .Values.nats.url -}}
{{- else if .Values.nats.enabled -}}
nats://{{ include "streamhub.name" (list . "nats") }}.{{ .Release.Namespace }}.svc:4222
{{- end -}}
{{- end -}}

{{/* The name of a priority class: include "streamhub.priorityClass" (list $ "system") */}}
{{- define "streamhub.priorityClass" -}}
{{- $top := index . 0 -}}
{{- $part := index . 1 -}}
{{- if $top.Values.priorityClasses.create -}}
{{- include "streamhub.name" (list $top $part) -}}
{{- else -}}
{{- get $top.Values.priorityClasses $part -}}
{{- end -}}
{{- end -}}

{{/* What the Pod Security Standard "restricted" asks of a pod. */}}
{{- define "streamhub.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "streamhub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod is placed: include "streamhub.placement" (list $ .Values.operator) */}}
{{- define "streamhub.placement" -}}
{{- $top := index . 0 -}}
{{- $part := index . 1 -}}
{{- $fields := dict -}}
{{- with include "streamhub.priorityClass" (list $top "system") }}{{ $_ := set $fields "priorityClassName" . }}{{ end -}}
{{- range $top.Values.imagePullSecrets -}}
{{- $_ := set $fields "imagePullSecrets" (append ($fields.imagePullSecrets | default list) (dict "name" .)) -}}
{{- end -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" -}}
{{- with get $part $field }}{{ $_ := set $fields $field . }}{{ end -}}
{{- end -}}
{{- with $fields }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/*
The level of Pod Security that the release's namespace enforces where it keeps node agents out; else nothing. Their pods would
never come, and helm upgrade --wait would wait for them. Without a cluster, as in helm template, nothing is known.
*/}}
{{- define "streamhub.keptOut" -}}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- $level := get (($namespace.metadata).labels | default dict) "pod-security.kubernetes.io/enforce" -}}
{{- if has $level (list "restricted" "baseline") }}{{ $level }}{{ end -}}
{{- end -}}

{{/* What camera pods get where a Camera's spec.pod says nothing, in its shape, as JSON. */}}
{{- define "streamhub.podDefaults" -}}
{{- $defaults := dict -}}
{{- range $field := list "resources" "nodeSelector" "tolerations" "runtimeClassName" -}}
{{- with get $.Values.ingest $field }}{{ $_ := set $defaults $field . }}{{ end -}}
{{- end -}}
{{- with include "streamhub.priorityClass" (list . "cameras") }}{{ $_ := set $defaults "priorityClassName" . }}{{ end -}}
{{- toJson $defaults -}}
{{- end -}}

{{- define "streamhub.natsConfig" -}}
server_name: {{ include "streamhub.name" (list . "nats") }}
listen: "{{ .Values.nats.listen }}:4222"
http: "{{ .Values.nats.listen }}:8222"
max_payload: {{ .Values.nats.maxPayload }}
# A reader that is this far behind is cut off, and cameras never wait for it.
{{- /* 8 MB, and at least one message: the server ends where a message may be larger. */}}
max_pending: {{ .Values.nats.maxPayload | trimSuffix "MB" | int | max 8 }}MB
write_deadline: "2s"
{{- if .Values.nats.authSecret }}
include "../nats-auth/auth.conf"
{{- end }}
{{- end -}}
