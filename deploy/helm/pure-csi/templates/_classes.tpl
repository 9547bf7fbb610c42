{{/* flasharray.defaultMountOpt as a list: it may be a list, also an empty one, or one text parted by commas or blanks. */}}
{{- define "pso.mountOptions" -}}
{{- $given := get (.Values.flasharray | default dict) "defaultMountOpt" -}}
{{- if or (kindIs "invalid" $given) (eq (toString $given) "") }}{{ $given = list "discard" }}{{ end -}}
{{- if kindIs "string" $given }}{{ $given = regexSplit "[,\\s]+" (trim $given) -1 | compact }}{{ end -}}
{{- toJson $given -}}
{{- end -}}

{{/* flasharray.defaultFSOpt as one text. */}}
{{- define "pso.mkfsOptions" -}}
{{- $block := .Values.flasharray | default dict -}}
{{- $given := get $block "defaultFSOpt" -}}
{{- if or (kindIs "invalid" $given) (not (hasKey $block "defaultFSOpt")) }}{{ $given = "-q" }}{{ end -}}
{{- kindIs "slice" $given | ternary (kindIs "slice" $given | ternary $given list | join " ") (toString $given) -}}
{{- end -}}

{{/*
createoptions of the class `pure-block`. Parameters of a class cannot be changed, and PSO 5 always wrote `-q`, PSO 6 what the
values said: a file with `namespace.pure` and no `clusterID` is one of PSO 5.
*/}}
{{- define "pso.blockMkfsOptions" -}}
{{- $isPso5 := and (include "pso.first" (dict "values" .Values "paths" (list "namespace.pure")) | fromJson).value (not .Values.clusterID) -}}
{{- if $isPso5 -}}-q{{- else -}}{{- include "pso.mkfsOptions" . -}}{{- end -}}
{{- end -}}

{{/* One class of the chart's own: dict of root, name, parameters, mountOptions, isDefault. */}}
{{- define "pso.builtInClass" -}}
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" .name "cluster" true "labels" (fromYaml "kubernetes.io/cluster-service: 'true'") "annotations" (dict "storageclass.kubernetes.io/is-default-class" (ternary "true" "false" .isDefault))) | nindent 2 }}
provisioner: {{ include "pso.driver" .root }}
# Parameters, reclaimPolicy and volumeBindingMode are PSO's: they cannot be changed while the class exists.
parameters:
  {{- include "pso.texts" .parameters | trim | nindent 2 }}
{{- with .mountOptions }}
mountOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
reclaimPolicy: Delete
volumeBindingMode: Immediate
allowVolumeExpansion: true
{{- end -}}
