{{/*
What an install or upgrade meets in the cluster and would stop at halfway: immutable fields, objects of another owner, a
provisioner that still runs. Each is told before anything changes, with the commands that mend it.

`lookup` gives nothing under `helm template` and in GitOps tools that use it. So nothing that keeps data safe rests on this: the
driver itself holds the Lease, waits for the leases of a PSO of before, and looks at the release in the CSIDriver's annotation.
*/}}
{{- define "pso.guard" -}}
{{- $state := dict "problems" list "isPso" false -}}
{{- include "pso.guard.namespace" (dict "root" . "state" $state) -}}
{{- include "pso.guard.provisioner" (dict "root" . "state" $state) -}}
{{- include "pso.guard.driver" (dict "root" . "state" $state) -}}
{{- include "pso.guard.workloads" (dict "root" . "state" $state) -}}
{{- include "pso.guard.classes" (dict "root" . "state" $state) -}}
{{- include "pso.guard.clusterID" (dict "root" . "state" $state) -}}
{{- include "pso.guard.snapshotMetadata" (dict "root" . "state" $state) -}}
{{- with $state.problems -}}
{{- fail (printf "\n\nThe cluster is not ready for this:\n\n%s\n\nNothing was changed.%s" (join "\n\n" .) (ternary " docs/upgrading-from-pso.md tells the whole way, and `pso-bin admin takeover` goes it step by step." "" $state.isPso)) -}}
{{- end -}}
{{- end -}}

{{/* state, what, and commands as a list. */}}
{{- define "pso.guard.tell" -}}
{{- $text := printf "* %s" .what -}}
{{- range .commands -}}{{- $text = printf "%s\n    %s" $text . -}}{{- end -}}
{{- if contains "PSO" .what -}}{{- $_ := set .state "isPso" true -}}{{- end -}}
{{- $_ := set .state "problems" (append .state.problems $text) -}}
{{- end -}}

{{/*
Whose an object is: "" when Helm does not own it, else namespace/name of its release. What the operator made anew, because somebody
had deleted it, has no annotation of Helm, but one of the operator; the release has the name of its PSOPlugin.
*/}}
{{- define "pso.guard.owner" -}}
{{- $meta := .metadata | default dict -}}
{{- $labels := $meta.labels | default dict -}}
{{- $annotations := $meta.annotations | default dict -}}
{{- if eq (get $labels "app.kubernetes.io/managed-by") "Helm" -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- if $release -}}
{{- printf "%s/%s" (get $annotations "meta.helm.sh/release-namespace") $release -}}
{{- else if eq (get $annotations "operator-sdk/primary-resource-type") "PSOPlugin.purestorage.com" -}}
{{- get $annotations "operator-sdk/primary-resource" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A namespace whose label refuses the node pods: the DaemonSet would be there, and no pod of it. */}}
{{- define "pso.guard.namespace" -}}
{{- $in := . -}}
{{- with lookup "v1" "Namespace" "" .root.Release.Namespace -}}
{{- $level := get (.metadata.labels | default dict) "pod-security.kubernetes.io/enforce" | default "" -}}
{{- if has $level (list "restricted" "baseline") -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "Namespace %s enforces Pod Security %q, which refuses every node pod: they attach devices and mount file systems on the host. The controller needs no more than restricted. Allow the node pods, and let nobody but administrators make pods there:" $in.root.Release.Namespace $level) "commands" (list (printf "kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged" $in.root.Release.Namespace))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* PSO's controllers. Two provisioners that work at once make two volumes for one claim. */}}
{{- define "pso.guard.provisioner" -}}
{{- $in := . -}}
{{- $release := .root.Release -}}
{{- $namespaces := list $release.Namespace -}}
{{- with lookup "storage.k8s.io/v1" "CSIDriver" "" "pure-csi" -}}
{{- with get (.metadata.annotations | default dict) "meta.helm.sh/release-namespace" -}}
{{- $namespaces = append $namespaces . | uniq -}}
{{- end -}}
{{- end -}}
{{- range $namespace := $namespaces -}}
{{- range $name := list "pure-provisioner" "pso-csi-controller" -}}
{{- with lookup "apps/v1" "StatefulSet" $namespace $name -}}
{{- if or (gt (int (get .spec "replicas")) 0) (gt (int (get (.status | default dict) "replicas")) 0) -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "PSO's controller, StatefulSet %s in namespace %s, still works. End it and wait until its pod is gone; running pods go on:" $name $namespace) "commands" (list
  (printf "kubectl -n %s scale statefulset %s --replicas=0" $namespace $name)
  (printf "kubectl -n %s wait --for=delete pod/%s-0 --timeout=5m" $namespace $name))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pso.guard.driver" -}}
{{- $in := . -}}
{{- $mine := printf "%s/%s" .root.Release.Namespace .root.Release.Name -}}
{{- with lookup "storage.k8s.io/v1" "CSIDriver" "" "pure-csi" -}}
{{- $owner := include "pso.guard.owner" . -}}
{{- $release := get (.metadata.annotations | default dict) "pso.purestorage.com/release" -}}
{{- $modes := get .spec "volumeLifecycleModes" | default (list "Persistent") -}}
{{- $isWhole := and (ne (toString (get .spec "attachRequired")) "false") (has "Persistent" $modes) (has "Ephemeral" $modes) -}}
{{- if and $release (ne $release $mine) -}}
{{- $parts := splitList "/" $release -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "This cluster has an installation already: release %s in namespace %s. Only one can serve the driver pure-csi. Upgrade that one, or uninstall it first:" (last $parts) (first $parts)) "commands" (list (printf "helm uninstall %s -n %s" (last $parts) (first $parts)))) -}}
{{- else if not $isWhole -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" "CSIDriver pure-csi is that of PSO 5: its attachRequired and volumeLifecycleModes cannot be changed, and Helm would stop in the middle. Delete it when PSO's controller is gone; this release makes it anew, and running pods go on:" "commands" (list "kubectl delete csidriver pure-csi")) -}}
{{- else if ne $owner $mine -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "CSIDriver pure-csi belongs to %s and not to this release. Hand it over:" ($owner | default "nobody (PSO 6 leaves it behind)")) "commands" (include "pso.guard.adopt" (dict "root" $in.root "kind" "csidriver" "name" "pure-csi") | fromJsonArray)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The commands that make an object this release's, as JSON: dict of root, kind, name. */}}
{{- define "pso.guard.adopt" -}}
{{- list
  (printf "kubectl label --overwrite %s %s app.kubernetes.io/managed-by=Helm" .kind .name)
  (printf "kubectl annotate --overwrite %s %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s" .kind .name .root.Release.Name .root.Release.Namespace) | toJson -}}
{{- end -}}

{{/* Node plugins of PSO 6, a DaemonSet with another selector, and a Deployment that somebody scaled. */}}
{{- define "pso.guard.workloads" -}}
{{- $in := . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- with lookup "apps/v1" "DaemonSet" $namespace "pso-csi-node" -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" "DaemonSet pso-csi-node of PSO 6 runs. Two node plugins would register on one socket. Delete it; what is mounted stays mounted, and running pods go on:" "commands" (list (printf "kubectl -n %s delete daemonset pso-csi-node" $namespace))) -}}
{{- end -}}
{{- with lookup "apps/v1" "DaemonSet" $namespace "pure-csi" -}}
{{- $selector := get (get .spec "selector" | default dict) "matchLabels" | default dict -}}
{{- if ne (toJson $selector) (toJson (dict "app" "pure-csi")) -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "DaemonSet pure-csi selects pods by %s, which cannot be changed; this release selects by app=pure-csi. Delete it; what is mounted stays mounted, and running pods go on:" (toJson $selector)) "commands" (list (printf "kubectl -n %s delete daemonset pure-csi" $namespace))) -}}
{{- end -}}
{{- end -}}
{{- include "pso.guard.scale" . -}}
{{- end -}}

{{/* Helm 4 applies on the server, where the number of replicas then belongs to `kubectl scale`. */}}
{{- define "pso.guard.scale" -}}
{{- $in := . -}}
{{- $own := include "pso.part" (dict "root" .root "of" "controller") | fromJson -}}
{{- $wanted := hasKey $own "replicas" | ternary $own.replicas 2 | int -}}
{{- if hasPrefix "v4" .root.Capabilities.HelmVersion.Version -}}
{{- with lookup "apps/v1" "Deployment" .root.Release.Namespace "pure-provisioner" -}}
{{- /* A release that Helm 3 made stays as it was: there nobody owns a field. */ -}}
{{- $isScaled := false -}}
{{- $isApplied := false -}}
{{- range .metadata.managedFields -}}
{{- if eq (get . "subresource" | default "") "scale" -}}{{- $isScaled = true -}}{{- end -}}
{{- if eq (get . "operation" | default "") "Apply" -}}{{- $isApplied = true -}}{{- end -}}
{{- end -}}
{{- $live := int (get .spec "replicas") -}}
{{- if and $isApplied $isScaled (ne $live $wanted) -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "Somebody scaled the Deployment pure-provisioner to %d; the values say controllerServer.replicas %d, and Helm 4 refuses to change what another has set. Scale it back, or write the number into the values:" $live $wanted) "commands" (list
  (printf "kubectl -n %s scale deployment pure-provisioner --replicas=%d" $in.root.Release.Namespace $wanted)
  (printf "helm upgrade … --set controllerServer.replicas=%d" $live))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Classes that are another's, or whose parameters would change. Volumes that were made by a class do not need it any more. */}}
{{- define "pso.guard.classes" -}}
{{- $in := . -}}
{{- $root := .root -}}
{{- $mine := printf "%s/%s" $root.Release.Namespace $root.Release.Name -}}
{{- range $text := regexSplit "(?m)^---" (include (print $root.Template.BasePath "/storageclasses.yaml") $root) -1 -}}
{{- $wanted := $text | fromYaml -}}
{{- if and (kindIs "map" $wanted) (hasKey $wanted "metadata") -}}
{{- $name := $wanted.metadata.name -}}
{{- with lookup "storage.k8s.io/v1" "StorageClass" "" $name -}}
{{- $live := . -}}
{{- $differs := list -}}
{{- range $field := list "provisioner" "parameters" "reclaimPolicy" "volumeBindingMode" -}}
{{- $is := get $live $field | default dict -}}
{{- $shall := get $wanted $field | default dict -}}
{{- if ne (toJson $is) (toJson $shall) -}}
{{- $differs = append $differs (printf "%s is %s and becomes %s" $field (toJson $is) (toJson $shall)) -}}
{{- end -}}
{{- end -}}
{{- $owner := include "pso.guard.owner" . -}}
{{- if $differs -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "StorageClass %s cannot be changed: %s. Say in the values what it has, or delete it, and this release makes it anew; volumes and claims stay:" $name (join "; " $differs)) "commands" (list (printf "kubectl delete storageclass %s" $name))) -}}
{{- else if ne $owner $mine -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "StorageClass %s belongs to %s and not to this release. Hand it over, or set storageclass.createBuiltIn to false:" $name ($owner | default "nobody")) "commands" (include "pso.guard.adopt" (dict "root" $root "kind" "storageclass" "name" $name) | fromJsonArray)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and ($root.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1/VolumeSnapshotClass") (contains "name: pure-snapshotclass" (include (print $root.Template.BasePath "/snapshotclasses.yaml") $root)) -}}
{{- with lookup "snapshot.storage.k8s.io/v1" "VolumeSnapshotClass" "" "pure-snapshotclass" -}}
{{- $owner := include "pso.guard.owner" . -}}
{{- if ne $owner $mine -}}
{{- include "pso.guard.tell" (dict "state" $in.state "what" (printf "VolumeSnapshotClass pure-snapshotclass belongs to %s and not to this release. Hand it over:" ($owner | default "nobody (PSO 5 had it applied by hand)")) "commands" (include "pso.guard.adopt" (dict "root" $root "kind" "volumesnapshotclass" "name" "pure-snapshotclass") | fromJsonArray)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The prefix of volume names: this release's own, or that of PSO's node pods. With another one no volume would be found as this cluster's. */}}
{{- define "pso.guard.clusterID" -}}
{{- $in := . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $new := (include "pso.first" (dict "values" .root.Values "paths" (list "clusterID" "namespace.pure")) | fromJson).value | default "k8s" | toString -}}
{{- $old := "" -}}
{{- $from := "" -}}
{{- with lookup "v1" "ConfigMap" $namespace (include "pso.configMap" .root) -}}
{{- if eq (get (.metadata.labels | default dict) "app.kubernetes.io/part-of") "pure-service-orchestrator" -}}
{{- $old = get (get (.data | default dict) "appconfig.json" | default "{}" | fromJson) "clusterID" | default "k8s" -}}
{{- $from = printf "ConfigMap %s" (include "pso.configMap" $in.root) -}}
{{- end -}}
{{- end -}}
{{- if not $old -}}
{{- range $name := list "pure-csi" "pso-csi-node" -}}
{{- with lookup "apps/v1" "DaemonSet" $namespace $name -}}
{{- range .spec.template.spec.containers -}}
{{- range .env -}}
{{- if and (eq .name "PURE_K8S_NAMESPACE") .value -}}
{{- $old = toString .value -}}
{{- $from = printf "DaemonSet %s of PSO" $name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $old (ne $old $new) -}}
{{- $commands := list (printf "helm upgrade … --set clusterID=%s" $old) -}}
{{- if hasPrefix "ConfigMap" $from -}}{{- $commands = append $commands (printf "kubectl -n %s delete configmap %s   # only if this cluster has no volume yet" $namespace (include "pso.configMap" .root)) -}}{{- end -}}
{{- include "pso.guard.tell" (dict "state" .state "what" (printf "clusterID would change from %q (%s) to %q. It is the first part of each volume's name and never changes while volumes exist. Keep it:" $old $from $new) "commands" $commands) -}}
{{- end -}}
{{- end -}}
