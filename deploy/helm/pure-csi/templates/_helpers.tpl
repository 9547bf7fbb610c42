{{/*
The first of some places in the values that is set, as JSON {"value": ...}; {} when none is. Called with a dict of
`values` and `paths` (texts with dots). A key without a value, an empty text, mapping or list counts as not set, so that
an empty default never hides an older spelling; `false` and 0 are set.
*/}}
{{- define "pso.first" -}}
{{- $found := dict -}}
{{- range $path := .paths -}}
{{- if not (hasKey $found "value") -}}
{{- $at := $.values -}}
{{- range $part := splitList "." $path -}}
{{- if kindIs "map" $at -}}{{- $at = get $at $part -}}{{- else -}}{{- $at = "" -}}{{- end -}}
{{- end -}}
{{- if or (kindIs "bool" $at) (kindIs "float64" $at) (kindIs "int64" $at) (kindIs "int" $at) -}}
{{- $_ := set $found "value" $at -}}
{{- else if $at -}}
{{- $_ := set $found "value" $at -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* "true" when the value of `paths` is a switch that is on, in any of the ways that people write it; else empty. */}}
{{- define "pso.switch" -}}
{{- $found := include "pso.first" . | fromJson -}}
{{- if has (toString (get $found "value") | lower) (list "true" "yes" "on" "1") -}}true{{- end -}}
{{- end -}}

{{/* The prefix of names that nothing outside the chart depends on. The names that PSO gave are fixed. */}}
{{- define "pso.fullname" -}}
{{- (include "pso.first" (dict "values" .Values "paths" (list "fullnameOverride" "nameOverride")) | fromJson).value | default "pure-csi" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The driver's name: of the CSIDriver, in classes, and in volumes of PSO. */}}
{{- define "pso.driver" -}}pure-csi{{- end -}}

{{/* The Lease. Never another name: two releases of the chart beside each other must want the same one. */}}
{{- define "pso.lease" -}}pure-csi-leader{{- end -}}

{{- define "pso.configMap" -}}pure-csi-container-configmap{{- end -}}

{{/* The Secret with the arrays, and the key in it. */}}
{{- define "pso.secret" -}}
{{- (include "pso.first" (dict "values" .Values "paths" (list "existingSecret.name")) | fromJson).value | default "pure-provisioner-secret" -}}
{{- end -}}
{{- define "pso.secretKey" -}}
{{- if (include "pso.first" (dict "values" .Values "paths" (list "existingSecret.name")) | fromJson).value -}}
{{- (include "pso.first" (dict "values" .Values "paths" (list "existingSecret.key")) | fromJson).value | default "pure.json" -}}
{{- else -}}pure.json{{- end -}}
{{- end -}}

{{/* A mapping whose values are texts, whatever YAML took them for: labels, annotations and parameters. */}}
{{- define "pso.texts" -}}
{{- range $key, $value := . }}
{{ $key }}: {{ toString $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object; called with the root. */}}
{{- define "pso.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Values.nameOverride | default "pure-csi" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: pure-service-orchestrator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object: dict of `root`, `name`, and `component`, `labels`, `annotations`, `cluster` (no namespace). */}}
{{- define "pso.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
{{- $labels := include "pso.labels" .root | fromYaml }}
{{- with .component }}{{- $labels = merge (dict "app.kubernetes.io/component" .) $labels }}{{- end }}
{{- with .labels }}{{- $labels = merge (deepCopy .) $labels }}{{- end }}
labels:
  {{- include "pso.texts" $labels | trim | nindent 2 }}
{{- $annotations := merge (deepCopy (.annotations | default dict)) (.root.Values.commonAnnotations | default dict) }}
{{- with $annotations }}
annotations:
  {{- include "pso.texts" . | trim | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The service accounts. PSO had one for all, named by clusterrolebinding.serviceAccount.name. */}}
{{- define "pso.account" -}}
{{- $own := get .root.Values (printf "%sServer" .of) | default dict -}}
{{- $psos := (include "pso.first" (dict "values" .root.Values "paths" (list "clusterrolebinding.serviceAccount.name")) | fromJson).value | default "pure" -}}
{{- $default := ternary $psos (printf "%s-node" $psos) (eq .of "controller") -}}
{{- ($own.serviceAccount | default dict).name | default $default -}}
{{- end -}}

{{/* The root folder of kubelet, without a slash at its end. */}}
{{- define "pso.kubelet" -}}
{{- (include "pso.first" (dict "values" .Values "paths" (list "orchestrator.basePath")) | fromJson).value | default "/var/lib/kubelet" | trimSuffix "/" -}}
{{- end -}}

{{- define "pso.isOpenShift" -}}
{{- $name := (include "pso.first" (dict "values" .Values "paths" (list "orchestrator.name")) | fromJson).value | default "k8s" -}}
{{- if eq (lower $name) "openshift" -}}true{{- end -}}
{{- end -}}

{{/* Whether an optional part is wanted: `auto` means, when the cluster has `api`. dict of root, path, api. */}}
{{- define "pso.wanted" -}}
{{- $said := (include "pso.first" (dict "values" .root.Values "paths" (list .path)) | fromJson) -}}
{{- $word := toString (get $said "value") | lower -}}
{{- if or (not (hasKey $said "value")) (eq $word "auto") -}}
{{- if .root.Capabilities.APIVersions.Has .api -}}true{{- end -}}
{{- else if has $word (list "true" "yes" "on" "1") -}}true
{{- end -}}
{{- end -}}

{{- define "pso.hasSnapshots" -}}
{{- include "pso.wanted" (dict "root" . "path" "csi.snapshotter.enabled" "api" "snapshot.storage.k8s.io/v1/VolumeSnapshotClass") -}}
{{- end -}}
{{- define "pso.hasGroupSnapshots" -}}
{{- if include "pso.hasSnapshots" . -}}
{{- if .Capabilities.APIVersions.Has "groupsnapshot.storage.k8s.io/v1/VolumeGroupSnapshotClass" -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- define "pso.hasEphemeral" -}}
{{- include "pso.switch" (dict "values" .Values "paths" (list "ephemeral.enabled")) -}}
{{- end -}}
{{/* Name of the Secret with the CHAP of volumes that pods describe themselves; empty without one. */}}
{{- define "pso.chapSecret" -}}
{{- (include "pso.first" (dict "values" .Values "paths" (list "ephemeral.chapSecret")) | fromJson).value | default "" -}}
{{- end -}}
{{- define "pso.hasTopology" -}}
{{- include "pso.switch" (dict "values" .Values "paths" (list "storagetopology.enable")) -}}
{{- end -}}
{{/* Names of labels that count as topology beside PSO's, as JSON; called with the values. */}}
{{- define "pso.nodeLabels" -}}
{{- $given := (include "pso.first" (dict "values" . "paths" (list "storagetopology.nodeLabels")) | fromJson).value -}}
{{- $labels := list -}}
{{- range $part := (kindIs "slice" $given | ternary $given (list ($given | default ""))) -}}
{{- range $text := regexSplit "[\\s,]+" (toString $part) -1 -}}
{{- if $text -}}{{- $labels = append $labels $text -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $labels -}}
{{- end -}}

{{/* The first label of `labels` that counts as topology, as KEY=VALUE; empty without one. dict of labels, keys. */}}
{{- define "pso.topologyLabel" -}}
{{- $found := "" -}}
{{- $keys := .keys -}}
{{- range $key, $value := .labels -}}
{{- if and (not $found) (ne (toString $value) "") (or (hasPrefix "topology.purestorage.com/" $key) (has $key $keys)) -}}
{{- $found = printf "%s=%s" $key (toString $value) -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/*
What stands in the way while topology is on and no node has a label that counts: csi-provisioner then makes no volume, of any
array. Empty when all is well, without a cluster, and in one without nodes.
*/}}
{{- define "pso.bareNodes" -}}
{{- $keys := include "pso.nodeLabels" .Values | fromJsonArray -}}
{{- $nodes := (lookup "v1" "Node" "" "").items | default list -}}
{{- $isLabelled := false -}}
{{- range $nodes -}}
{{- if include "pso.topologyLabel" (dict "labels" .metadata.labels "keys" $keys) -}}{{- $isLabelled = true -}}{{- end -}}
{{- end -}}
{{- if and $nodes (not $isLabelled) -}}
{{- $example := "" -}}
{{- range $list := .Values.arrays | default dict -}}
{{- range $entry := kindIs "slice" $list | ternary $list list -}}
{{- $example = $example | default (include "pso.topologyLabel" (dict "labels" (get $entry "Labels" | default dict) "keys" $keys)) -}}
{{- end -}}
{{- end -}}
{{- printf "storagetopology.enable is on, and no node has a label that counts (%s): csi-provisioner makes no volume at all. Label every node, then restart the node plugin: kubectl label node %s %s; kubectl -n %s rollout restart daemonset pure-csi"
  (prepend $keys "topology.purestorage.com/…" | join ", ") (first $nodes).metadata.name ($example | default "topology.purestorage.com/zone=ZONE") .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- define "pso.hasCapacity" -}}
{{- include "pso.switch" (dict "values" .Values "paths" (list "csi.storageCapacity")) -}}
{{- end -}}
