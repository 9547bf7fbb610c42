{{/*
Images. A values file of PSO names PSO's own ones, because PSO's charts wrote their defaults into it: the vendor's
program would then be started with the arguments of this one. Such names count as not set, and with them the tag and the
pull policy beside them; "pso.ignoredImages" says which, for NOTES.
*/}}

{{/* The images of this release: name and tag by the key below `images.`. */}}
{{- define "pso.defaultImages" -}}
plugin: {name: docker.io/purestorage/pso-bin, tag: v{{ .Chart.AppVersion }}}
csi.provisioner: {name: registry.k8s.io/sig-storage/csi-provisioner, tag: v6.3.0}
csi.attacher: {name: registry.k8s.io/sig-storage/csi-attacher, tag: v4.12.0}
csi.resizer: {name: registry.k8s.io/sig-storage/csi-resizer, tag: v2.2.1}
csi.snapshotter: {name: registry.k8s.io/sig-storage/csi-snapshotter, tag: v8.6.0}
csi.snapshotMetadata: {name: registry.k8s.io/sig-storage/csi-snapshot-metadata, tag: v1.1.0}
csi.nodeDriverRegistrar: {name: registry.k8s.io/sig-storage/csi-node-driver-registrar, tag: v2.17.0}
{{- end -}}

{{/* Whether an image is one of PSO's defaults: dict of `of`, `name` and `tag` as they stand in the values. */}}
{{- define "pso.isOldImage" -}}
{{- if eq .of "plugin" -}}
{{- /* The vendor's driver, from whichever mirror; or its tag alone. */ -}}
{{- if regexMatch "(^|/)purestorage/k8s$" .name -}}true
{{- else if and (eq .name "") (regexMatch "^v?[256]\\.[0-9]+\\.[0-9]+" .tag) -}}true
{{- end -}}
{{- else if regexMatch "^(quay\\.io/k8scsi|k8s\\.gcr\\.io)/" .name -}}true
{{- end -}}
{{- end -}}

{{/* The values of one image, as JSON {name, tag, digest, pullPolicy, ignored}: dict of `root` and `of`. */}}
{{- define "pso.imageValues" -}}
{{- $values := .root.Values -}}
{{- $new := printf "images.%s" .of -}}
{{- $old := ternary "image" (printf "%s.image" .of) (eq .of "plugin") -}}
{{- /* Each spelling is judged by itself: a file of PSO may stand beside an image of one's own. */ -}}
{{- $paths := list -}}
{{- $ignored := "" -}}
{{- range $path := list $new $old -}}
{{- $name := include "pso.first" (dict "values" $values "paths" (list (printf "%s.name" $path))) | fromJson -}}
{{- $tag := include "pso.first" (dict "values" $values "paths" (list (printf "%s.tag" $path))) | fromJson -}}
{{- $one := dict "of" $.of "name" (get $name "value" | default "" | toString) "tag" (get $tag "value" | default "" | toString) -}}
{{- if include "pso.isOldImage" $one -}}{{- $ignored = printf "%s:%s" $one.name $one.tag | trimSuffix ":" -}}
{{- else -}}{{- $paths = append $paths $path -}}
{{- end -}}
{{- end -}}
{{- $at := dict "ignored" $ignored -}}
{{- range $field := list "name" "tag" "digest" "pullPolicy" -}}
{{- $places := list -}}
{{- range $paths }}{{ $places = append $places (printf "%s.%s" . $field) }}{{ end -}}
{{- $one := include "pso.first" (dict "values" $values "paths" $places) | fromJson -}}
{{- $_ := set $at $field (get $one "value" | default "" | toString) -}}
{{- end -}}
{{- toJson $at -}}
{{- end -}}

{{/* PSO's default images that were found in the values and are not used, one a line, for NOTES. */}}
{{- define "pso.ignoredImages" -}}
{{- $root := . -}}
{{- range $of := list "plugin" "csi.provisioner" "csi.attacher" "csi.resizer" "csi.snapshotter" "csi.snapshotMetadata" "csi.nodeDriverRegistrar" -}}
{{- $at := include "pso.imageValues" (dict "root" $root "of" $of) | fromJson -}}
{{- with $at.ignored }}
images.{{ $of }}: {{ . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The reference of one image: dict of `root` and `of`. `images.registry` takes the place of the registry of this release's
images, and stands before names that have none; a name with a registry of its own is taken as it is.
*/}}
{{- define "pso.image" -}}
{{- $at := include "pso.imageValues" . | fromJson -}}
{{- $default := get (include "pso.defaultImages" .root | fromYaml) .of -}}
{{- $registry := (include "pso.first" (dict "values" .root.Values "paths" (list "images.registry")) | fromJson).value | default "" | trimSuffix "/" -}}
{{- $name := $at.name | default $default.name -}}
{{- $first := splitList "/" $name | first -}}
{{- $hasHost := and (contains "/" $name) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- if $registry -}}
{{- if not $hasHost -}}{{- $name = printf "%s/%s" $registry $name -}}
{{- else if not $at.name -}}{{- $name = printf "%s/%s" $registry (trimPrefix (printf "%s/" $first) $name) -}}
{{- end -}}
{{- end -}}
{{- $tag := $at.tag | default $default.tag -}}
{{- if $at.digest -}}{{ printf "%s@%s" $name $at.digest }}{{- else -}}{{ printf "%s:%s" $name $tag }}{{- end -}}
{{- end -}}

{{- define "pso.pullPolicy" -}}
{{- (include "pso.imageValues" . | fromJson).pullPolicy | default "IfNotPresent" -}}
{{- end -}}
