{{/* Changed blocks for backup tools: the sidecar csi-snapshot-metadata beside each controller, and what it serves. */}}

{{- define "pso.hasSnapshotMetadata" -}}
{{- include "pso.switch" (dict "values" .Values "paths" (list "snapshotMetadata.enabled")) -}}
{{- end -}}

{{/* Name of the Service; with the namespace, the address that the certificate is for. */}}
{{- define "pso.snapshotMetadata.name" -}}{{ include "pso.fullname" . }}-snapshot-metadata{{- end -}}
{{- define "pso.snapshotMetadata.host" -}}{{ include "pso.snapshotMetadata.name" . }}.{{ .Release.Namespace }}.svc{{- end -}}
{{- define "pso.snapshotMetadata.port" -}}50051{{- end -}}

{{/* The driver's second socket, which a standby serves too. */}}
{{- define "pso.snapshotMetadata.socket" -}}/csi-metadata/metadata.sock{{- end -}}

{{/* For whom a token must be made: one for the API server is not taken, and one for this service opens nothing else. */}}
{{- define "pso.snapshotMetadata.audience" -}}{{ include "pso.snapshotMetadata.host" . }}{{- end -}}

{{/* A text of `snapshotMetadata`: dict of values, key. */}}
{{- define "pso.snapshotMetadata.text" -}}
{{- (include "pso.first" (dict "values" .values "paths" (list (printf "snapshotMetadata.%s" .key))) | fromJson).value | default "" -}}
{{- end -}}

{{/* The Secret with the certificate: one that the values name, or that of the chart. */}}
{{- define "pso.snapshotMetadata.secret" -}}
{{- include "pso.snapshotMetadata.text" (dict "values" .Values "key" "tlsSecret") | default (printf "%s-tls" (include "pso.snapshotMetadata.name" .)) -}}
{{- end -}}

{{/* Who signed the certificate of a Secret that the values name, in base64; empty when neither they nor the Secret say it. */}}
{{- define "pso.snapshotMetadata.authority" -}}
{{- $given := include "pso.snapshotMetadata.text" (dict "values" .Values "key" "caCert") -}}
{{- if $given -}}{{- b64enc $given -}}
{{- else -}}
{{- $secret := include "pso.snapshotMetadata.secret" . -}}
{{- get (get (lookup "v1" "Secret" .Release.Namespace $secret | default dict) "data" | default dict) "ca.crt" -}}
{{- end -}}
{{- end -}}

{{/* Its flag --audience has no effect in v1.1.0, so that it must be able to read the SnapshotMetadataService. */}}
{{- define "pso.snapshotMetadata.sidecar" -}}
{{- $socket := include "pso.snapshotMetadata.socket" . -}}
{{- $port := include "pso.snapshotMetadata.port" . -}}
{{- include "pso.sidecar" (dict "root" . "of" "snapshotMetadata" "name" "csi-snapshot-metadata" "port" 8084 "portName" "cbt-metrics"
  "socket" $socket
  "args" (list (printf "--port=%s" $port) "--tls-cert=/certificate/tls.crt" "--tls-key=/certificate/tls.key")
  "ports" (list (printf "{name: changed-blocks, containerPort: %s, protocol: TCP}" $port))
  "mounts" (list (printf "{name: metadata-socket, mountPath: %s}" (dir $socket)) "{name: metadata-tls, mountPath: /certificate, readOnly: true}")) -}}
{{- end -}}

{{/* For NOTES: a Secret that is named and not there. Empty without a cluster. */}}
{{- define "pso.snapshotMetadata.missingSecret" -}}
{{- $named := include "pso.snapshotMetadata.text" (dict "values" .Values "key" "tlsSecret") -}}
{{- if and $named (include "pso.hasSnapshotMetadata" .) (lookup "v1" "Namespace" "" .Release.Namespace) -}}
{{- if not (lookup "v1" "Secret" .Release.Namespace $named) -}}
{{- printf "The Secret %s, which snapshotMetadata.tlsSecret names, does not exist. The sidecar csi-snapshot-metadata ends again and again before it does; volumes are served all the same: kubectl -n %s create secret tls %s --cert=tls.crt --key=tls.key" $named .Release.Namespace $named -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What of its values cannot be right: state, values. */}}
{{- define "pso.report.snapshotMetadata" -}}
{{- $authority := include "pso.snapshotMetadata.text" (dict "values" .values "key" "caCert") -}}
{{- $secret := include "pso.snapshotMetadata.text" (dict "values" .values "key" "tlsSecret") -}}
{{- $problem := dict "state" .state "path" "snapshotMetadata.caCert" -}}
{{- if and $authority (not $secret) -}}
{{- include "pso.report.problem" (merge (dict "found" "is set without snapshotMetadata.tlsSecret" "mend" "name the Secret whose certificate it is for, or take it away: who signs the chart's own certificate is known") $problem) -}}
{{- else if and $authority (not (regexMatch "(?s)-----BEGIN CERTIFICATE-----.+-----END CERTIFICATE-----" (toString $authority))) -}}
{{- include "pso.report.problem" (merge (dict "found" "holds no whole certificate" "wanted" "PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----" "mend" "copy the certificate again, or give the file by --set-file") $problem) -}}
{{- end -}}
{{- end -}}

{{/* What it needs of the cluster: root, state. */}}
{{- define "pso.guard.snapshotMetadata" -}}
{{- $root := .root -}}
{{- $tell := dict "state" .state -}}
{{- if include "pso.hasSnapshotMetadata" $root -}}
{{- $secret := include "pso.snapshotMetadata.text" (dict "values" $root.Values "key" "tlsSecret") -}}
{{- if not ($root.Capabilities.APIVersions.Has "cbt.storage.k8s.io/v1beta1/SnapshotMetadataService") -}}
{{- include "pso.guard.tell" (merge (dict "what" "snapshotMetadata.enabled is true, and the cluster has no kind SnapshotMetadataService of cbt.storage.k8s.io/v1beta1, by which backup tools find the service. Its definition belongs to the cluster, one for all drivers, and is in the repository kubernetes-csi/external-snapshot-metadata, release v1.1.0. Apply it from there, or set snapshotMetadata.enabled to false (`helm template` is told of it by --api-versions cbt.storage.k8s.io/v1beta1/SnapshotMetadataService):" "commands" (list "kubectl apply -f client/config/crd/cbt.storage.k8s.io_snapshotmetadataservices.yaml")) $tell) -}}
{{- end -}}
{{- if not (include "pso.hasSnapshots" $root) -}}
{{- include "pso.guard.tell" (merge (dict "what" "snapshotMetadata.enabled is true, and this release takes no snapshots: csi.snapshotter.enabled is false, or the cluster has no snapshot API. Install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter, or set snapshotMetadata.enabled to false:" "commands" (list "helm upgrade … --set snapshotMetadata.enabled=false")) $tell) -}}
{{- end -}}
{{- /* A namespace that this very install makes is not there yet. */ -}}
{{- $hasCluster := or (lookup "v1" "Namespace" "" $root.Release.Namespace) (lookup "v1" "Namespace" "" "default") -}}
{{- if and (not $secret) (not $hasCluster) -}}
{{- include "pso.guard.tell" (merge (dict "what" "snapshotMetadata.enabled is true, and no cluster is seen in which the certificate of the service could be kept: each rendering would make another one. So it is with `helm template` and tools that use it, as Argo CD does, and with a dry run on the client. Name a Secret of yours, and who signed its certificate; a dry run can be one of the server:" "commands" (list "helm upgrade … --set snapshotMetadata.tlsSecret=NAME --set-file snapshotMetadata.caCert=ca.crt" "helm upgrade … --dry-run=server")) $tell) -}}
{{- else if and $secret (not (include "pso.snapshotMetadata.authority" $root)) -}}
{{- include "pso.guard.tell" (merge (dict "what" (printf "snapshotMetadata.tlsSecret names the Secret %s in namespace %s, and who signed its certificate is not known, which backup tools must be told: snapshotMetadata.caCert is not set, and no ca.crt of that Secret is seen. Give it:" $secret $root.Release.Namespace) "commands" (list "helm upgrade … --set-file snapshotMetadata.caCert=ca.crt")) $tell) -}}
{{- end -}}
{{- end -}}
{{- end -}}
