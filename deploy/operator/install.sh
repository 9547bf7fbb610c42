#!/usr/bin/env bash
# Installs the driver by its operator, with the commands of PSO's papers. Helm is the main road: docs/install.md.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=release.sh
. "$here/release.sh"
usage() {
  cat <<U
install.sh -namespace=pso -f values.yaml      installs the driver; can be repeated

  -namespace=NAME       where to: default pso. One that is missing is made
  -f FILE               values file, as for the chart. Its API tokens go into a Secret, never into the PSOPlugin
  -orchestrator=NAME    k8s or openshift: default openshift where the cluster has OpenShift's API
  -image=IMAGE          image of the operator, for a registry of your own
  -timeout=TIME         for each thing that is waited for: default 300 seconds; 10m are minutes
  -wait=WHAT            pods (default), release, or none
A flag may have one dash or two, and its value behind = or a space. KUBECTL names another kubectl.
U
}
flags "namespace f orchestrator image timeout wait" "$@"
namespace=${namespace:-pso}
tool
deploy
