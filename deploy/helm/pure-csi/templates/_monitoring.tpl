{{/* One part of `metrics`, never null, as JSON: dict of root, of. */}}
{{- define "pso.metrics" -}}
{{- get (.root.Values.metrics | default dict) .of | default dict | toJson -}}
{{- end -}}

{{/* Whether a part of `metrics` is switched on: dict of root, of. */}}
{{- define "pso.metrics.isOn" -}}
{{- include "pso.switch" (dict "values" .root.Values "paths" (list (printf "metrics.%s.enabled" .of))) -}}
{{- end -}}

{{/* Whether the cluster has the Prometheus operator's kind: dict of root, kind. */}}
{{- define "pso.metrics.hasKind" -}}
{{- if .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}true{{- end -}}
{{- end -}}

{{/* The ports of all management addresses, each once, as JSON. An array that comes later by another way has 443, or is in extraEgress. */}}
{{- define "pso.arrayPorts" -}}
{{- $ports := list 443 -}}
{{- range $list := include "pso.arrays" . | fromJson -}}
{{- range $entry := kindIs "slice" $list | ternary $list list -}}
{{- range $key, $value := kindIs "map" $entry | ternary $entry dict -}}
{{- if eq (lower $key) "mgmtendpoint" -}}
{{- $address := toString $value | trimSuffix "/" -}}
{{- $port := regexFind ":[0-9]+$" $address | trimPrefix ":" -}}
{{- if and $port (regexMatch "^(https?://)?(\\[[^]]*\\]|[^:/]*):[0-9]+$" $address) -}}{{- $ports = append $ports (int $port) -}}
{{- else if hasPrefix "http://" $address -}}{{- $ports = append $ports 80 -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "pso.hasSimulator" . -}}
{{- $simulate := .Values.simulate -}}
{{- range $at := until (add ($simulate.flasharrays | int) ($simulate.flashblades | int) | int) -}}
{{- $ports = append $ports (add ($simulate.port | default 8443 | int) $at | int) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}
