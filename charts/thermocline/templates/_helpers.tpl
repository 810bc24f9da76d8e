{{- define "thermocline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "thermocline.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "thermocline.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "thermocline.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "thermocline.operator" -}}
{{ include "thermocline.fullname" . }}-operator
{{- end }}

{{- define "thermocline.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "thermocline.operator" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "thermocline.tokenSecret" -}}
{{- default (printf "%s-token-key" (include "thermocline.operator" .)) .Values.tokenKey.existingSecret }}
{{- end }}

{{/* Never "thermocline-operator" as managed-by: the operator takes objects with that label for its own. */}}
{{- define "thermocline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "thermocline.selector" . }}
{{- end }}

{{- define "thermocline.selector" -}}
app.kubernetes.io/name: {{ include "thermocline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* The nodes' pods, as a selector's matchExpressions. Those of one cluster, by the name of its PaxosGroup: the storage tier's carry it
as their instance, the memory tier's as thermocline.dev/paxosgroup. */}}
{{- define "thermocline.nodeExpressions" -}}
- {key: app.kubernetes.io/name, operator: In, values: [thermocline]}
- {key: app.kubernetes.io/component, operator: In, values: [storage, memory]}
{{- end }}

{{/* repository, then @digest or :tag, of a dict with these and what stands in for empty ones. */}}
{{- define "thermocline.image" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "thermocline.operatorImage" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- include "thermocline.image" (dict "repository" .Values.image.repository "tag" $tag "digest" .Values.image.digest) }}
{{- end }}

{{- define "thermocline.nodeImage" -}}
{{- $own := .Values.nodeImage }}
{{- $repository := default .Values.image.repository $own.repository }}
{{- $tag := coalesce $own.tag .Values.image.tag .Chart.AppVersion }}
{{- /* A digest belongs to one repository and tag: the operator's holds for nodes only where neither differs. */}}
{{- $inherited := ternary .Values.image.digest "" (and (empty $own.repository) (empty $own.tag)) }}
{{- include "thermocline.image" (dict "repository" $repository "tag" $tag "digest" (default $inherited $own.digest)) }}
{{- end }}

{{/* Namespaces with PaxosGroups, as JSON {"items": […]}; none of them with scope cluster: everywhere. */}}
{{- define "thermocline.namespaces" -}}
{{- $items := .Values.namespaces }}
{{- if and (empty $items) (eq .Values.rbac.scope "namespace") }}{{ $items = list .Release.Namespace }}{{ end }}
{{- dict "items" ($items | uniq) | toJson }}
{{- end }}

{{- define "thermocline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "thermocline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* An egress rule, of the values of networkPolicy. */}}
{{- define "thermocline.dnsRule" -}}
- ports:
    {{- range .dns.ports }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
