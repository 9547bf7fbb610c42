{{/*
What the driver is told. The arrays with their tokens are in the Secret, which only the controller reads. All other keys are in
the ConfigMap, which the nodes have too.
*/}}

{{/* The keys of the driver but `arrays`, as JSON. Keys that are not set are left out: the driver knows the defaults. */}}
{{- define "pso.driverKeys" -}}
{{- $values := .Values -}}
{{- $config := dict -}}
{{- with (include "pso.first" (dict "values" $values "paths" (list "clusterID" "namespace.pure")) | fromJson).value -}}
{{- $_ := set $config "clusterID" (toString .) -}}
{{- end -}}
{{- range $key := list "deleteImported" "deletePrefixes" "eradicateOnDelete" "maxVolumesPerNode" "app.debug" -}}
{{- $found := include "pso.first" (dict "values" $values "paths" (list $key)) | fromJson -}}
{{- if hasKey $found "value" -}}
{{- if contains "." $key -}}
{{- $parts := splitList "." $key -}}
{{- $_ := set $config (first $parts) (dict (last $parts) $found.value) -}}
{{- else -}}
{{- $_ := set $config $key $found.value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $section := list "storagetopology" "placement" "ephemeral" "flasharray" "flashblade" -}}
{{- $kept := dict -}}
{{- range $key, $value := get $values $section | default dict -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $kept $key $value -}}{{- end -}}
{{- end -}}
{{- if $kept -}}{{- $_ := set $config $section $kept -}}{{- end -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}

{{/* What a node reads once, at its start: a change of it must restart the node's pod. */}}
{{- define "pso.nodeChecksum" -}}
{{- $keys := omit (include "pso.driverKeys" . | fromJson) "clusterID" "flashblade" "placement" "ephemeral" "deleteImported" "deletePrefixes" "eradicateOnDelete" -}}
{{- if include "pso.hasEphemeral" . -}}{{- $_ := set $keys "ephemeral" (include "pso.chapSecret" .) -}}{{- end -}}
{{- $keys | toJson | sha256sum -}}
{{- end -}}

{{/* What sidecars and driver read once: the capabilities of the driver, which depend on topology, and whether pods may describe volumes. */}}
{{- define "pso.controllerChecksum" -}}
{{- $keys := .Values.storagetopology | default dict -}}
{{- if include "pso.hasEphemeral" . -}}{{- $keys = merge (dict "ephemeral" true) $keys -}}{{- end -}}
{{- /* csi-snapshotter looks for the API of group snapshots once, at its start. */ -}}
{{- if include "pso.hasGroupSnapshots" . -}}{{- $keys = merge (dict "groupSnapshots" true) $keys -}}{{- end -}}
{{- $keys | toJson | sha256sum -}}
{{- end -}}

{{/* The arrays as PSO's JSON, the simulated ones behind those of the values. Both lists are always there. */}}
{{- define "pso.arrays" -}}
{{- $given := .Values.arrays | default dict -}}
{{- $arrays := fromJson "{\"FlashArrays\": [], \"FlashBlades\": []}" -}}
{{- /* The lists may be written in any letters. */ -}}
{{- range $written, $entries := $given -}}
{{- $list := get (dict "flasharrays" "FlashArrays" "flashblades" "FlashBlades") (lower $written) | default $written -}}
{{- with $entries -}}{{- $_ := set $arrays $list (concat (get $arrays $list | default list) .) -}}{{- end -}}
{{- end -}}
{{- if include "pso.hasSimulator" . -}}
{{- range $list, $entries := include "pso.simulatedArrays" . | fromJson -}}
{{- $_ := set $arrays $list (concat (get $arrays $list) $entries) -}}
{{- end -}}
{{- end -}}
{{- toPrettyJson $arrays -}}
{{- end -}}

{{/*
The Secrets that hold tokens, as JSON {name: {key: true}}: those of APITokenSecret, whose key is `token` when none is named,
and of controllerServer.tokenSecrets.
*/}}
{{- define "pso.tokenSecrets" -}}
{{- $refs := (.Values.controllerServer | default dict).tokenSecrets | default list -}}
{{- range $list := list "FlashArrays" "FlashBlades" -}}
{{- range $entry := get ($.Values.arrays | default dict) $list | default list -}}
{{- range $key, $value := kindIs "map" $entry | ternary $entry dict -}}
{{- if eq (lower $key) "apitokensecret" -}}{{- $refs = append $refs $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $secrets := dict -}}
{{- range $ref := $refs -}}
{{- if and (kindIs "map" $ref) $ref.name -}}
{{- $_ := set $secrets $ref.name (merge (dict ($ref.key | default "token") true) (get $secrets $ref.name | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end -}}

{{/* The tokens of other Secrets, as sources of a projected volume at /etc/pure; empty without any. A Secret may come later. */}}
{{- define "pso.tokenSources" -}}
{{- range $name, $keys := include "pso.tokenSecrets" . | fromJson }}
- secret:
    name: {{ $name }}
    optional: true
    items:
      {{- range $key, $_ := $keys }}
      - {key: {{ $key }}, path: tokens/{{ $name }}/{{ $key }}}
      {{- end }}
{{- end }}
{{- end -}}

{{/* The same with the arrays themselves. */}}
{{- define "pso.secretSources" -}}
- secret:
    name: {{ include "pso.secret" . }}
    items:
      - {key: {{ include "pso.secretKey" . }}, path: pure.json}
{{- include "pso.tokenSources" . }}
{{- end -}}
