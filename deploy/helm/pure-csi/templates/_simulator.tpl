{{/*
The simulated fleet: one token, one certificate and fixed ports, which controller and simulator are given at once. What was made
at the first install stays: it is read back from the cluster.
*/}}

{{- define "pso.hasSimulator" -}}
{{- include "pso.switch" (dict "values" .Values "paths" (list "simulate.enabled")) -}}
{{- end -}}

{{- define "pso.simulator" -}}{{ include "pso.fullname" . }}-simulator{{- end -}}

{{/* Where the arrays answer: the Service's name, or its fixed address. */}}
{{- define "pso.simulatorHost" -}}
{{- (.Values.simulate | default dict).clusterIP | default (printf "%s.%s.svc" (include "pso.simulator" .) .Release.Namespace) -}}
{{- end -}}

{{/* How many arrays of a list there are, as digits: dict of root, list, default. 0 is a number too. */}}
{{- define "pso.simulatedCount" -}}
{{- $given := get (.root.Values.simulate | default dict) .list -}}
{{- has (toString $given) (list "" "<nil>") | ternary .default $given | int -}}
{{- end -}}
{{- define "pso.simulatedBlocks" -}}{{ include "pso.simulatedCount" (dict "root" . "list" "flasharrays" "default" 2) }}{{- end -}}
{{- define "pso.simulatedFiles" -}}{{ include "pso.simulatedCount" (dict "root" . "list" "flashblades" "default" 1) }}{{- end -}}

{{/* {token, ca, crt, key} as JSON. Made once for all templates of one rendering, hence kept beside the values. */}}
{{- define "pso.simulatorCredentials" -}}
{{- $keep := .Values.global | default dict -}}
{{- if not (hasKey $keep "psoSimulator") -}}
{{- $host := include "pso.simulatorHost" . -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "pso.simulator" .) | default dict -}}
{{- $data := $found.data | default dict -}}
{{- if and (hasKey $data "ca.crt") (eq (get ($found.metadata.annotations | default dict) "pso.purestorage.com/host") $host) -}}
{{- $_ := set $keep "psoSimulator" (dict "token" (b64dec $data.token) "ca" (b64dec (get $data "ca.crt")) "crt" (b64dec (get $data "tls.crt")) "key" (b64dec (get $data "tls.key"))) -}}
{{- else -}}
{{- $ca := genCA "simulated arrays" 3650 -}}
{{- $isAddress := regexMatch "^[0-9.]+$|:" $host -}}
{{- $ips := ternary (list $host) (list) $isAddress -}}
{{- $names := ternary (list "simulator") (list $host) $isAddress -}}
{{- $cert := genSignedCert "simulated array" $ips $names 3650 $ca -}}
{{- $_ := set $keep "psoSimulator" (dict "token" uuidv4 "ca" $ca.Cert "crt" $cert.Cert "key" $cert.Key) -}}
{{- end -}}
{{- $_ := set .Values "global" $keep -}}
{{- end -}}
{{- toJson .Values.global.psoSimulator -}}
{{- end -}}

{{/* The simulated arrays as entries of `arrays`, JSON. */}}
{{- define "pso.simulatedArrays" -}}
{{- $made := include "pso.simulatorCredentials" . | fromJson -}}
{{- $host := include "pso.simulatorHost" . -}}
{{- $shown := contains ":" $host | ternary (printf "[%s]" $host) $host -}}
{{- $port := (.Values.simulate | default dict).port | default 8443 | int -}}
{{- $blocks := include "pso.simulatedBlocks" . | int -}}
{{- $arrays := dict "FlashArrays" list "FlashBlades" list -}}
{{- range $at := until (add $blocks (include "pso.simulatedFiles" . | int) | int) -}}
{{- $entry := dict "MgmtEndPoint" (printf "%s:%d" $shown (add $port $at | int)) "APIToken" $made.token "CACert" $made.ca -}}
{{- $isBlock := lt $at $blocks -}}
{{- if not $isBlock -}}{{- $_ := set $entry "NFSEndPoint" $host -}}{{- end -}}
{{- $list := ternary "FlashArrays" "FlashBlades" $isBlock -}}
{{- $_ := set $arrays $list (append (get $arrays $list) $entry) -}}
{{- end -}}
{{- toJson $arrays -}}
{{- end -}}
