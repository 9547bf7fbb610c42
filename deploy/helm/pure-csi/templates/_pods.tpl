{{/* What the pods and containers of the chart have in common. */}}

{{/* The values of one part: `controllerServer` or `nodeServer`, never null. dict of root, of. */}}
{{- define "pso.part" -}}
{{- get .root.Values (printf "%sServer" .of) | default dict | toJson -}}
{{- end -}}

{{/* nodeSelector, tolerations or affinity of a part, else of all pods, in every spelling, as JSON {"value"}: dict of root, of, key. */}}
{{- define "pso.placement" -}}
{{- $places := ternary (list "controllerServer." "provisioner." "") (list "nodeServer." "mounter." "flexDaemon." "") (eq .of "controller") -}}
{{- $paths := list -}}
{{- $key := .key -}}
{{- range $places }}{{ $paths = append $paths (printf "%s%s" . $key) }}{{ end -}}
{{- include "pso.first" (dict "values" .root.Values "paths" $paths) -}}
{{- end -}}

{{/* Labels of a pod: dict of root, of, app. The label `app` is what PSO's selectors have. */}}
{{- define "pso.podLabels" -}}
{{- $own := include "pso.part" . | fromJson -}}
{{- $fixed := dict "app" .app "app.kubernetes.io/component" .of -}}
{{- $labels := include "pso.labels" .root | fromYaml -}}
{{- /* Of the chart's version no pod knows, so that a chart that changes nothing of a pod does not restart it. */ -}}
{{- $labels = omit $labels "helm.sh/chart" "app.kubernetes.io/version" -}}
{{- include "pso.texts" (merge $fixed ($own.podLabels | default dict) $labels) -}}
{{- end -}}

{{/* imagePullSecrets of a pod, on a line of its own; empty without any. Called with the root. */}}
{{- define "pso.pullSecrets" -}}
{{- with concat (.Values.imagePullSecrets | default list) ((.Values.global | default dict).imagePullSecrets | default list) }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What stands in a pod's spec beside containers and volumes: dict of root, of, priority. */}}
{{- define "pso.podSpec" -}}
{{- $own := include "pso.part" . | fromJson -}}
serviceAccountName: {{ include "pso.account" . }}
{{- include "pso.pullSecrets" .root }}
priorityClassName: {{ $own.priorityClassName | default .priority }}
{{- with (include "pso.placement" (dict "root" .root "of" .of "key" "nodeSelector") | fromJson).value }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- if eq .of "controller" }}
# The anti-affinity also counts a pod that is ending and those of the revision before; this does not, so that a new
# controller goes to another node than the one that stays.
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {app: pure-provisioner, app.kubernetes.io/component: controller}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- with $own.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* requests and limits: dict of given (what the values say) and default (a text of YAML). */}}
{{- define "pso.resources" -}}
{{- toYaml (.given | default (fromYaml .default)) -}}
{{- end -}}

{{/* Pod Security `restricted`, for containers that need nothing of the kernel. */}}
{{- define "pso.restricted" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end -}}

{{/* The security context of a pod that needs no rights. OpenShift chooses the user itself. */}}
{{- define "pso.restrictedPod" -}}
runAsNonRoot: true
{{- if not (include "pso.isOpenShift" .) }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/*
One sidecar of the controller: dict of root, of (its key below `csi.`), name, port, args (those of this sidecar) and env.
It elects no leader: it waits in the driver's Probe until the driver of its pod leads. Its port opens after that, so that
there is no probe for it. One that serves others has also: socket, portName, ports and mounts (texts), and calls nothing again.
*/}}
{{- define "pso.sidecar" -}}
{{- $own := get (.root.Values.csi | default dict) .of | default dict -}}
{{- $image := dict "root" .root "of" (printf "csi.%s" .of) -}}
- name: {{ .name }}
  image: {{ include "pso.image" $image }}
  imagePullPolicy: {{ include "pso.pullPolicy" $image }}
  args:
    - --csi-address={{ .socket | default "/csi/csi.sock" }}
    - --timeout={{ $own.timeout | default "60s" }}
    {{- if not .ports }}
    - --retry-interval-start=1s
    - --retry-interval-max={{ $own.retryIntervalMax | default "30s" }}
    {{- end }}
    - --kube-api-qps={{ $own.kubeApiQps | default 20 }}
    - --kube-api-burst={{ $own.kubeApiBurst | default 40 }}
    - --http-endpoint=:{{ .port }}
    {{- range .args }}
    - {{ . }}
    {{- end }}
    - -v={{ kindIs "invalid" $own.logLevel | ternary 2 $own.logLevel }}
    {{- range $own.additionalArgs }}
    - {{ . | quote }}
    {{- end }}
  {{- with concat (.env | default list) ($own.env | default list) }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: {{ .portName | default (.name | trimPrefix "csi-") }}, containerPort: {{ .port }}, protocol: TCP}
    {{- range .ports }}
    - {{ . }}
    {{- end }}
  volumeMounts:
    {{- range .mounts | default (list "{name: socket, mountPath: /csi}") }}
    - {{ . }}
    {{- end }}
    {{- with $own.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- include "pso.resources" (dict "given" $own.resources "default" "{requests: {cpu: 10m, memory: 40Mi}, limits: {memory: 256Mi}}") | nindent 4 }}
  securityContext:
    {{- toYaml ($own.securityContext | default (include "pso.restricted" .root | fromYaml)) | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
