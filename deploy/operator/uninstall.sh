#!/usr/bin/env bash
# Takes away what install.sh made, and nothing else.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
usage() {
  cat <<U
uninstall.sh                                  takes the installation away; can be repeated

  -namespace=NAME       where the installation is: default where the PSOPlugin is
  -force                also while volumes are attached, or wait to be deleted
  -timeout=TIME         how long the operator may need: default 300 seconds; 10m are minutes
A flag may have one dash or two, and its value behind = or a space. KUBECTL names another kubectl.
Volumes on the arrays, their PersistentVolumes and claims stay. Objects that were there before stay too.
U
}
flags "namespace force timeout" "$@"
tool

# What needs the driver: without it nobody detaches, unmounts or deletes.
check_volumes() {
  local attached deleting kept
  attached=$(k get volumeattachments -o "jsonpath={range .items[?(@.spec.attacher==\"$DRIVER\")]}{.spec.source.persistentVolumeName} on {.spec.nodeName}{\"\\n\"}{end}")
  deleting=$(k get persistentvolumes -o "go-template={{range .items}}{{if .spec.csi}}{{if eq .spec.csi.driver \"$DRIVER\"}}{{if or .metadata.deletionTimestamp (and (or (eq .status.phase \"Released\") (eq .status.phase \"Failed\")) (eq .spec.persistentVolumeReclaimPolicy \"Delete\"))}}{{.metadata.name}}
{{end}}{{end}}{{end}}{{end}}")
  kept=$(k get persistentvolumes -o "go-template={{range .items}}{{if .spec.csi}}{{if eq .spec.csi.driver \"$DRIVER\"}}{{.metadata.name}}
{{end}}{{end}}{{end}}" | wc -l)
  [ -z "$attached" ] || {
    echo "$me: these volumes are attached, and without the driver nobody unmounts or detaches them. End their pods first:"
    sed 's/^/  /' <<<"$attached"
  } >&2
  [ -z "$deleting" ] || {
    echo "$me: these PersistentVolumes are about to be deleted on the arrays. Wait for it; without the driver they keep a finalizer for ever:"
    sed 's/^/  /' <<<"$deleting"
  } >&2
  if [ -n "$attached$deleting" ]; then
    [ -n "$force" ] || fail 1 "nothing was changed. Then run $me again; -force goes on all the same"
    say "-force: goes on all the same"
  elif [ "$kept" -gt 0 ]; then
    say "$kept PersistentVolumes stay, and their volumes on the arrays with all data. An installation with the same clusterID serves them again"
  fi
}

delete_plugin() {
  local told=''
  has_crd || return 0
  there psoplugins.purestorage.com $CR -n "$namespace" || return 0
  say "deletes the PSOPlugin $CR; the operator takes the release away (at most $timeout s)"
  k -n "$namespace" delete psoplugins.purestorage.com $CR --wait=false >/dev/null
  deadline
  while left; do
    if ! there psoplugins.purestorage.com $CR -n "$namespace"; then
      await_end
      return
    fi
    if [ -z "$told" ] && [ $((ends - SECONDS)) -lt $((timeout - 20)) ]; then
      told=1
      say "still waits. The operator: $(k -n "$namespace" get deployment $OPERATOR --ignore-not-found --no-headers || true)"
    fi
    sleep 1
  done
  fail 1 "the operator has not taken the release away in $timeout s. $(condition ReleaseFailed message)
Its pod must run for that. Look at it, and run $me again:
  $kube -n $namespace get pods -l app.kubernetes.io/name=$OPERATOR
  $kube -n $namespace logs deployment/$OPERATOR"
}

await_end() { # of the driver's pods
  while left; do
    [ -n "$(k -n "$namespace" get deployments,daemonsets,pods -l app.kubernetes.io/part-of=pure-service-orchestrator,app.kubernetes.io/name!=$OPERATOR -o name)" ] || {
      say "the release is gone"
      return
    }
    sleep 1
  done
  fail 1 "the release is deleted, and after $timeout s some of its pods still end. Wait for them, and run $me again:
  $kube -n $namespace get pods"
}

delete_operator() {
  local owner
  "$kube" -n "$namespace" delete deployment $OPERATOR --ignore-not-found --wait=true --timeout="${timeout}s" --cascade=foreground >/dev/null
  k -n "$namespace" delete rolebinding,role,serviceaccount,lease $OPERATOR --ignore-not-found >/dev/null
  owner=$(field '{.subjects[0].namespace}' clusterrolebinding $OPERATOR)
  if [[ -z $owner || $owner = "$namespace" ]]; then k delete clusterrolebinding,clusterrole $OPERATOR --ignore-not-found >/dev/null; fi
  k -n "$namespace" delete secret -l "$MADE=install.sh" --ignore-not-found >/dev/null
  say "the operator is gone"
}

delete_kind() {
  local others
  has_crd || return 0
  others=$(k get psoplugins.purestorage.com -A -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}')
  if [ -n "$others" ]; then
    say "the kind PSOPlugin stays, because there are others: ${others//$'\n'/, }"
  elif [ -z "$(field "{.metadata.labels.${MADE//./\\.}}" crd psoplugins.purestorage.com)" ]; then
    say "the kind PSOPlugin stays, because it was there before"
  else
    "$kube" delete crd psoplugins.purestorage.com >/dev/null
    say "the kind PSOPlugin is gone"
  fi
}

delete_namespace() {
  local kinds rest
  [ -n "$(field "{.metadata.labels.${MADE//./\\.}}" namespace "$namespace")" ] || return 0
  kinds=$(k api-resources --namespaced --verbs=list,delete -o name | grep -vE '^(events(\.events\.k8s\.io)?|pods\.metrics\.k8s\.io)$' | paste -sd, -)
  # What belongs to another object goes with it; Endpoints go with their Service.
  rest=$(k -n "$namespace" get "$kinds" -o 'go-template={{range .items}}{{if not (or .metadata.ownerReferences .metadata.deletionTimestamp)}}{{.kind}}/{{.metadata.name}}
{{end}}{{end}}')
  rest=$(grep -vE '^(Endpoints/.*|ServiceAccount/(default|builder|deployer)|ConfigMap/(kube-root-ca\.crt|openshift-service-ca\.crt)|RoleBinding/system:.*|Secret/(default|builder|deployer)-(token|dockercfg)-.*|)$' <<<"$rest" || true)
  if [ -n "$rest" ]; then
    say "the namespace $namespace stays, because it holds what is not ours: ${rest//$'\n'/, }"
  else
    "$kube" delete namespace "$namespace" --wait=true --timeout="${timeout}s" >/dev/null
    say "the namespace $namespace is gone"
  fi
}

if [ -z "$namespace" ]; then
  namespace=$(installed_in)
  [[ $namespace != *$'\n'* ]] || fail 1 "there are several PSOPlugins $CR, in the namespaces ${namespace//$'\n'/, }: say which one by -namespace=NAME"
  # An uninstall that was ended in the middle: the binding outlives the PSOPlugin.
  [ -n "$namespace" ] || namespace=$(field '{.subjects[0].namespace}' clusterrolebinding $OPERATOR)
  if [ -z "$namespace" ]; then
    say "nothing is installed by the operator here. Where an uninstall was ended in the middle, say -namespace=NAME"
    exit 0
  fi
fi
check_volumes
delete_plugin
delete_operator
delete_kind
delete_namespace
say "done"
