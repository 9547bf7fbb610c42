# What install.sh, update.sh and uninstall.sh have in common; they source it.
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
me=${0##*/}
CR=psoplugin-operator     # the one PSOPlugin, and the name of its release
OPERATOR=pso-csi-operator # the operator's objects
ARRAYS=pure-arrays        # the Secret with the arrays of a values file
MADE=pso.purestorage.com/made-by # on what was not there before: an uninstall takes it away
DRIVER=pure-csi
namespace='' orchestrator='' image='' values='' timeout=300 wait_for=pods force=''

say() { echo "$me: $*"; }
fail() { # CODE MESSAGE
  echo "$me: $2" >&2
  exit "$1"
}

flags() { # NAMES ARGUMENT...: sets a variable for each flag; -name=value, --name=value and --name value are the same
  local known=" $1 " arg name value
  shift
  while [ $# -gt 0 ]; do
    arg=$1
    shift
    case $arg in
      -h | -help | --help) usage; exit 0 ;;
      -[!-]* | --[!-]*) ;;
      *) fail 2 "does not know \"$arg\": flags begin with a dash. $me --help lists them" ;;
    esac
    name=${arg#-}
    name=${name#-}
    value=${name#*=}
    name=${name%%=*}
    case $name in
      n) name=namespace ;;
      f | values) name=f ;;
    esac
    [[ $known == *" $name "* ]] || unknown "$arg" "$name"
    if [ "$name" = force ]; then
      [[ $arg != *=* || $value = true ]] || fail 2 "$arg: say -force, or leave it out"
      force=1
      continue
    fi
    if [[ $arg != *=* ]]; then
      [ $# -gt 0 ] || fail 2 "$arg needs a value, as in $arg=VALUE"
      value=$1
      shift
    fi
    [ -n "$value" ] || fail 2 "$arg needs a value; leave the flag out for its default"
    case $name in
      namespace) namespace=$value ;;
      orchestrator) orchestrator=$value ;;
      image) image=$value ;;
      f) values=$value ;;
      timeout) timeout=$value ;;
      wait) wait_for=$value ;;
    esac
  done
  [[ -z $namespace || $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] ||
    fail 2 "-namespace=$namespace is no name of a namespace: use small letters, digits and dashes"
  case $orchestrator in
    '' | k8s | openshift) ;;
    *) fail 2 "-orchestrator=$orchestrator is not known: say k8s or openshift" ;;
  esac
  [[ -z $image || $image =~ ^[a-z0-9][A-Za-z0-9._/@:-]*$ ]] || fail 2 "-image=$image is no name of an image, as in registry.example.com/pso-operator:v7.0.0"
  [[ $timeout =~ ^([0-9]{1,5})(s|m)?$ ]] || fail 2 "-timeout=$timeout is no time: say seconds, as in 300, or minutes, as in 5m"
  timeout=$((10#${BASH_REMATCH[1]}))
  [ "${BASH_REMATCH[2]}" != m ] || timeout=$((timeout * 60))
  case $wait_for in
    pods | release | none) ;;
    *) fail 2 "-wait=$wait_for is not known: say pods, release or none" ;;
  esac
  [ -z "$values" ] || [ -r "$values" ] || fail 2 "-f $values: there is no such file that can be read"
}

unknown() { # ARGUMENT NAME
  case $2 in
    node-selector) fail 2 "$1 was a flag of the FlexVolume driver: set nodeServer.nodeSelector in the values file instead" ;;
    version) fail 2 "$1: each release brings its own scripts. Take those of the release that you want, and run update.sh" ;;
    *) fail 2 "does not know $1. $me --help lists the flags" ;;
  esac
}

tool() { # finds kubectl, and asks the API server
  local said
  kube=${KUBECTL:-}
  if [ -z "$kube" ]; then
    for kube in kubectl oc ''; do [ -z "$kube" ] || ! command -v "$kube" >/dev/null || break; done
  fi
  if [ -z "$kube" ] || ! command -v "$kube" >/dev/null; then
    fail 3 "neither kubectl nor oc is here: install one of them, or set KUBECTL to its path"
  fi
  said=$(k get --raw /version 2>&1) || fail 1 "the API server does not answer: $said. Look at KUBECONFIG and at \`$kube config current-context\`"
}
k() { "$kube" --request-timeout=30s "$@"; }
there() { # OBJECT...: an API server that does not answer is no "no"
  local found
  found=$(k get "$@" --ignore-not-found -o name) || fail 1 "cannot look for $*; see above. Run $me again when the API server answers"
  [ -n "$found" ]
}
field() { k get "${@:2}" --ignore-not-found -o "jsonpath=$1"; } # JSONPATH OBJECT...
work() { # a private folder, gone at the end
  dir=$(umask 077; mktemp -d)
  trap 'rm -rf "$dir"' EXIT
}

local_patch() { # FILE PATCH OUTPUT: applies a JSON patch to a file, without a cluster
  "$kube" patch --local --type=json -f "$1" -p "$2" -o "$3"
}

has_crd() { there crd psoplugins.purestorage.com; }

# Where a PSOPlugin of that name is, one namespace a line.
installed_in() {
  has_crd || return 0
  k get psoplugins.purestorage.com -A -o "jsonpath={range .items[?(@.metadata.name==\"$CR\")]}{.metadata.namespace}{\"\\n\"}{end}"
}

condition() { # TYPE FIELD: of the PSOPlugin
  field "{.status.conditions[?(@.type==\"$1\")].$2}" psoplugin.purestorage.com "$CR" -n "$namespace"
}

deadline() { ends=$((SECONDS + timeout)); }
left() { [ $SECONDS -lt "$ends" ]; }
