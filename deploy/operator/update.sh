#!/usr/bin/env bash
# Gives an installation of the operator other values, or the operator of this release.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=release.sh
. "$here/release.sh"
usage() {
  cat <<U
update.sh -f values.yaml                      gives the installation these values; can be repeated

  -f FILE               the whole values file, not only what changes. Without it the values stay
  -namespace=NAME       where the installation is: default where the PSOPlugin is
  -orchestrator=NAME    k8s or openshift: default openshift where the cluster has OpenShift's API
  -image=IMAGE          image of the operator; without it the one that was named before, else that of this release
  -timeout=TIME         for each thing that is waited for: default 300 seconds; 10m are minutes
  -wait=WHAT            pods (default), release, or none
A flag may have one dash or two, and its value behind = or a space. KUBECTL names another kubectl.
U
}
flags "namespace f orchestrator image timeout wait" "$@"
[ -n "$values" ] || [ -z "$orchestrator" ] || fail 2 "-orchestrator needs -f: it is one of the values"
tool
where=$(installed_in)
[ -n "$where" ] || fail 1 "nothing is installed by the operator here: there is no PSOPlugin $CR. Run install.sh -namespace=NAME -f values.yaml"
if [ -z "$namespace" ]; then
  [[ $where != *$'\n'* ]] || fail 1 "there are several PSOPlugins $CR, in the namespaces ${where//$'\n'/, }: say which one by -namespace=NAME"
  namespace=$where
fi
grep -qx "$namespace" <<<"$where" || fail 1 "there is no PSOPlugin $CR in namespace $namespace; there is one in ${where//$'\n'/, }. Say -namespace=${where%%$'\n'*}"
deploy
