# What install.sh and update.sh do: they source it after common.sh.
# shellcheck shell=bash

# --- what stands in the way, before anything is changed

refuse() { # refuses what would end with two controllers, or with none
  local found
  found=$(k get deployments -A --field-selector metadata.name=pso-operator \
    -o 'jsonpath={range .items[?(@.spec.replicas>0)]}{.metadata.namespace}{"\n"}{end}')
  [ -z "$found" ] || fail 1 "PSO's own operator runs in namespace ${found//$'\n'/, } and puts back what is changed. End it, then begin again:
  $kube -n ${found%%$'\n'*} scale deployment pso-operator --replicas=0"
  found=$(k get statefulsets -A -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}')
  found=$(grep -E '/(pure-provisioner|pso-csi-controller)$' <<<"$found" || true)
  [ -z "$found" ] || fail 1 "the controller of PSO 5 or 6 is in this cluster: StatefulSet ${found//$'\n'/, }. The operator does not take it over.
Take it over first, with pods running: docs/upgrading-from-pso.md, \`pso-bin admin takeover\`"
  found=$(field '{.metadata.annotations.pso\.purestorage\.com/release}' csidriver $DRIVER)
  [[ -z $found || $found = "$namespace/$CR" ]] || fail 1 "the driver is installed already: release ${found#*/} in namespace ${found%%/*}. Only one installation can serve a cluster.
Go on with that one, or uninstall it first: helm -n ${found%%/*} uninstall ${found#*/}"
  found=$(field '{.subjects[0].namespace}' clusterrolebinding $OPERATOR)
  [[ -z $found || $found = "$namespace" ]] || fail 1 "the operator is installed in namespace $found. Say -namespace=$found, or run uninstall.sh -namespace=$found first"
  found=$(field '{.metadata.labels.pod-security\.kubernetes\.io/enforce}' namespace "$namespace")
  case $found in
    restricted | baseline) fail 1 "namespace $namespace enforces Pod Security \"$found\", which refuses every node pod: they attach devices and mount file systems on the host.
Allow them, and let nobody but administrators make pods there:
  $kube label --overwrite namespace $namespace pod-security.kubernetes.io/enforce=privileged" ;;
  esac
}

# --- the values

header() { printf 'apiVersion: purestorage.com/v1\nkind: PSOPlugin\nmetadata:\n  name: %s\n  namespace: %s\n  annotations: {helm.sdk.operatorframework.io/rollback-force: "false"}\n' $CR "$namespace"; }

read_values() { # makes $dir/cr.json of the values file, and $dir/arrays.json when it has arrays with tokens
  local said line
  awk '!begun && /^(---|%YAML.*)[ \t\r]*$/ { print ""; next }
    /^---([ \t\r]|$)/ { several = 1; exit 1 }
    /^[ \t]*[^# \t\r]/ { begun = 1 }
    { print "  " $0 }
    END { if (!begun && !several) print "  {}" }' "$values" >"$dir/spec" || fail 2 "$values has several documents: write the values into one"
  { echo 'spec:'; cat "$dir/spec"; header; } >"$dir/values.yaml"
  if ! said=$(local_patch "$dir/values.yaml" '[]' json 2>&1 >"$dir/cr.json"); then
    line=$(sed -n 's/.*yaml: line \([0-9]*\):.*/\1/p' <<<"$said")
    fail 2 "$values is no YAML${line:+, near line $((line - 1))}: ${said##*: }. Mend it; nothing was changed"
  fi
  [[ $(of_values '{.spec}') = '{'* ]] || fail 2 "$values holds no keys with values, as \`clusterID: k8s\`. Mend it; nothing was changed"
  hide_tokens
  choose_orchestrator
}

no_values() { # makes $dir/cr.json for an installation without arrays
  { header; echo 'spec: {}'; } >"$dir/values.yaml"
  local_patch "$dir/values.yaml" '[]' json >"$dir/cr.json"
  choose_orchestrator
  say "without -f there is no array yet: update.sh -f values.yaml adds some"
}

of_values() { "$kube" patch --local --type=json -f "$dir/cr.json" -p '[]' -o "jsonpath=$1"; }

merge_values() { # JSON: a merge patch
  "$kube" patch --local --type=merge -f "$dir/cr.json" -p "$1" -o json >"$dir/new.json"
  mv "$dir/new.json" "$dir/cr.json"
}

# Tokens must not lie in the PSOPlugin, where many may read them: the arrays go into a Secret, which the controller reads.
hide_tokens() {
  local arrays existing
  arrays=$(of_values '{.spec.arrays}')
  existing=$(of_values '{.spec.existingSecret.name}')
  if grep -qi '"apitoken"[ ]*:' <<<"$arrays"; then
    [ -z "$existing" ] || fail 2 "$values has arrays with API tokens, and existingSecret names the Secret $existing with all arrays. Keep one of the two"
    ! grep -qi '"apitokensecret"[ ]*:' <<<"$arrays" || [ -n "$(of_values '{.spec.controllerServer.tokenSecrets}')" ] ||
      fail 2 "$values has arrays with an APIToken and others with an APITokenSecret. Give all of them an APITokenSecret, or name those Secrets in controllerServer.tokenSecrets too"
    [ "$(of_values '{.spec.simulate.enabled}')" != true ] ||
      fail 2 "$values has simulate.enabled and arrays with an APIToken. The simulated arrays could not stand beside them in one Secret: give each array an APITokenSecret"
    printf '%s' "$arrays" >"$dir/arrays.json"
    merge_values "{\"spec\": {\"arrays\": null, \"existingSecret\": {\"name\": \"$ARRAYS\", \"key\": \"pure.json\"}}}"
  fi
  if grep -qiE '"(api[-_]?token|password|[a-z]*passwd)"[ ]*:[ ]*"[^"]|"(T-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"|"kind"[ ]*:[ ]*"Secret"' <<<"$(of_values '{.spec}')"; then
    fail 2 "$values has what looks like an API token, a password or a Secret outside of arrays. It would lie in clear in the PSOPlugin.
Move tokens into the entries of arrays.FlashArrays and arrays.FlashBlades, and make other Secrets yourself. Nothing was changed"
  fi
}

choose_orchestrator() {
  local given
  given=$(of_values '{.spec.orchestrator.name}')
  if [ -z "$orchestrator$given" ] && k api-versions | grep -qx security.openshift.io/v1; then
    orchestrator=openshift
    say "this cluster has OpenShift's API: -orchestrator=openshift"
  fi
  [[ -z $orchestrator || -z $given || $orchestrator = "$given" ]] || fail 2 "-orchestrator=$orchestrator, and $values says orchestrator.name: $given. Keep one of the two"
  [ -z "$orchestrator" ] || merge_values "{\"spec\": {\"orchestrator\": {\"name\": \"$orchestrator\"}}}"
}

# --- the objects

make_namespace() {
  there namespace "$namespace" && return
  k create namespace "$namespace" >/dev/null
  # The node pods attach devices: a cluster that is strict by default would refuse them.
  k label --overwrite namespace "$namespace" "$MADE=install.sh" pod-security.kubernetes.io/enforce=privileged >/dev/null
  [ "$orchestrator" != openshift ] || k label --overwrite namespace "$namespace" security.openshift.io/scc.podSecurityLabelSync=false >/dev/null
  say "made the namespace $namespace"
}

send() { k apply --server-side --force-conflicts --field-manager=pso-operator-scripts "$@"; }

make_kind() {
  local is_new=1
  ! has_crd || is_new=''
  send -f "$here/manifests/crd.yaml" >/dev/null
  [ -z "$is_new" ] || k label --overwrite crd psoplugins.purestorage.com "$MADE=install.sh" >/dev/null
  "$kube" wait --for=condition=Established --timeout=30s crd/psoplugins.purestorage.com >/dev/null
  say "the kind PSOPlugin is known to the cluster"
}

make_secret() {
  [ -e "$dir/arrays.json" ] || return 0
  if there secret $ARRAYS -n "$namespace" && [ -z "$(field "{.metadata.labels.${MADE//./\\.}}" secret $ARRAYS -n "$namespace")" ]; then
    fail 1 "namespace $namespace has a Secret $ARRAYS that these scripts did not make. Rename it, or name it as existingSecret in $values and take the tokens out there"
  fi
  k -n "$namespace" create secret generic $ARRAYS --from-file=pure.json="$dir/arrays.json" --dry-run=client -o json >"$dir/secret.json"
  send -n "$namespace" -f "$dir/secret.json" >/dev/null
  k -n "$namespace" label --overwrite secret $ARRAYS "$MADE=install.sh" >/dev/null
  say "the arrays of $values with their API tokens are in the Secret $ARRAYS; the PSOPlugin names it as existingSecret"
}

make_operator() {
  local live=''
  # An image that was named once stays named.
  [ -n "$image" ] || live=$(field '{.metadata.annotations.pso\.purestorage\.com/image}' deployment $OPERATOR -n "$namespace")
  sed -E "s/namespace: pso( *[,}]|$)/namespace: $namespace\1/" "$here/manifests/rbac.yaml" >"$dir/rbac.yaml"
  sed -E "s/namespace: pso( *[,}]|$)/namespace: $namespace\1/; ${image:+s|^( *image:) .*|\1 $image|}" \
    "$here/manifests/deployment.yaml" >"$dir/deployment.yaml"
  [ -z "$live" ] || sed -i -E "s|^( *image:) .*|\1 $live|" "$dir/deployment.yaml"
  send -f "$dir/rbac.yaml" -f "$dir/deployment.yaml" >/dev/null
  [ -z "$image" ] || k -n "$namespace" annotate --overwrite deployment $OPERATOR "pso.purestorage.com/image=$image" >/dev/null
  say "the operator is in namespace $namespace, image $(field '{.spec.template.spec.containers[0].image}' deployment $OPERATOR -n "$namespace")"
}

make_plugin() { # the PSOPlugin; one that is there keeps what Helm's operator wrote on it
  local said
  if [ ! -e "$dir/cr.json" ]; then
    say "without -f the values stay as they are"
    return
  fi
  said=$(send --dry-run=server --validate=strict -f "$dir/cr.json" 2>&1) || fail 1 "the API server refuses these values: $said"
  if ! there psoplugins.purestorage.com $CR -n "$namespace"; then
    k create -f "$dir/cr.json" >/dev/null
    say "made the PSOPlugin $CR"
    return
  fi
  printf '[{"op": "add", "path": "/spec", "value": %s}]' "$(of_values '{.spec}')" >"$dir/patch.json"
  k -n "$namespace" patch psoplugins.purestorage.com $CR --type=json --patch-file "$dir/patch.json" >/dev/null
  # PSO's operator was given its values by `apply`, which keeps a copy of them with the tokens.
  k -n "$namespace" annotate --overwrite psoplugins.purestorage.com $CR kubectl.kubernetes.io/last-applied-configuration- \
    helm.sdk.operatorframework.io/rollback-force=false >/dev/null
  say "the PSOPlugin $CR has the values of $values"
}

drop_secret() { # the Secret of an earlier values file, when nothing names it any more
  local used
  used=$(field '{.spec.existingSecret.name}' psoplugins.purestorage.com $CR -n "$namespace")
  [ "$used" != $ARRAYS ] || return 0
  k -n "$namespace" delete secret -l "$MADE=install.sh" --field-selector metadata.name=$ARRAYS --ignore-not-found >/dev/null
}

# --- waiting

# The conditions of before say nothing of these values. A round of the operator that has read the old ones cannot write any more.
forget_conditions() {
  k -n "$namespace" patch psoplugins.purestorage.com $CR --subresource=status --type=merge -p '{"status": {"conditions": []}}' >/dev/null
}

await_release() {
  local type said
  deadline
  say "waits until the operator has installed the release (at most $timeout s)"
  while left; do
    for type in ReleaseFailed Irreconcilable; do
      [ "$(condition $type status)" = True ] || continue
      said=$(condition $type message)
      if [[ $said == *'rollback required'* ]]; then # the operator says the reason in its log alone
        said+=$'\n'$(k -n "$namespace" logs deployment/$OPERATOR --tail=400 2>/dev/null | grep -o 'release upgrade failed; .*' | tail -n 1 || true)
      fi
      fail 1 "the values or the cluster do not fit ($type, $(condition $type reason)). What was installed before still runs.
$said
Then run $me again"
    done
    if [ "$(condition Deployed status)" = True ]; then
      say "the release $CR is installed"
      drop_secret
      return
    fi
    sleep 1
  done
  fail 1 "the operator has not answered in $timeout s. $(trouble "app.kubernetes.io/name=$OPERATOR")
Look at it, and run $me again:
  $kube -n $namespace logs deployment/$OPERATOR
  $kube -n $namespace describe pod -l app.kubernetes.io/name=$OPERATOR"
}

trouble() { # LABEL: what kubelet says of pods that are not ready
  k -n "$namespace" get pods -l "$1" -o go-template='{{range .items}}{{$pod := .metadata.name}}{{range .status.containerStatuses}}{{if not .ready}}{{$pod}}: {{.name}} is not ready{{with .state.waiting}}, {{.reason}}{{end}}{{if .restartCount}}, started again {{.restartCount}} times{{end}}{{with .lastState.terminated}}{{with .message}}, it said: {{.}}{{end}}{{end}}
{{end}}{{else}}{{$pod}}: {{.status.phase}}{{range .status.conditions}}{{with .message}}, {{.}}{{end}}{{end}}
{{end}}{{end}}' || true
}

await_rollout() { # LABEL WORKLOAD...: until all pods of these are ready
  local what said before='' todo
  deadline
  while left; do
    todo=''
    for what in "${@:2}"; do
      said=$(k -n "$namespace" rollout status --watch=false "$what" 2>&1) || true
      [[ $said == *'successfully rolled out'* ]] || todo+="${todo:+; }$what: ${said%%$'\n'*}"
    done
    [ -n "$todo" ] || return 0
    [ "$todo" = "$before" ] || say "$todo"
    before=$todo
    sleep 2
  done
  fail 1 "after $timeout s not all pods are ready:
$(trouble "$1")
Mend it, and run $me again. A PSOPlugin does not show this: its conditions speak of Helm alone. \`pso-bin admin check -n $namespace\` says more"
}

deploy() {
  local where
  work
  refuse
  where=$(installed_in) # an assignment, so that an API server that does not answer ends the script
  if [ -n "$values" ]; then
    read_values
  elif ! grep -qx "$namespace" <<<"$where"; then
    no_values
  fi
  make_namespace
  make_kind
  make_secret
  make_plugin
  make_operator
  if [ "$wait_for" = pods ]; then
    say "waits for the operator's pod (at most $timeout s)"
    await_rollout "app.kubernetes.io/name=$OPERATOR" deployment/$OPERATOR
  fi
  if [ "$wait_for" != none ]; then
    forget_conditions
    await_release
  fi
  if [ "$wait_for" = pods ]; then
    say "waits for the driver's pods (at most $timeout s)"
    await_rollout 'app in (pure-provisioner, pure-csi)' deployment/pure-provisioner daemonset/pure-csi
    say "all pods are ready"
  fi
  say "done. Look: $kube -n $namespace get psoplugins,pods; pso-bin admin check -n $namespace"
}
