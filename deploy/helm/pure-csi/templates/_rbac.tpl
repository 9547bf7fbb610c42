{{/* A ClusterRole and its binding to one account: dict of root, name (what follows the prefix), of, rules (text). */}}
{{- define "pso.clusterRole" -}}
{{- $name := printf "%s-%s" (include "pso.fullname" .root) .name -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" $name "cluster" true "component" .of) | nindent 2 }}
rules:
  {{- .rules | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" $name "cluster" true "component" .of) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "pso.account" . }}, namespace: {{ .root.Release.Namespace }}}
{{- end -}}

{{/* The same in one namespace: dict of root, name, of, rules, and namespace when it is not the release's. */}}
{{- define "pso.role" -}}
{{- $name := printf "%s-%s" (include "pso.fullname" .root) .name -}}
{{- $namespace := .namespace | default .root.Release.Namespace -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" $name "cluster" true "component" .of) | nindent 2 }}
  namespace: {{ $namespace }}
rules:
  {{- .rules | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" $name "cluster" true "component" .of) | nindent 2 }}
  namespace: {{ $namespace }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "pso.account" . }}, namespace: {{ .root.Release.Namespace }}}
{{- end -}}

{{/* A service account: dict of root, of. */}}
{{- define "pso.serviceAccount" -}}
{{- $own := (include "pso.part" . | fromJson).serviceAccount | default dict -}}
{{- if ne (toString (get $own "create")) "false" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "pso.metadata" (dict "root" .root "name" (include "pso.account" .) "component" .of "annotations" ($own.annotations | default dict)) | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Events about objects of every namespace. */}}
{{- define "pso.eventRule" -}}
- {apiGroups: [""], resources: [events], verbs: [list, watch, create, update, patch]}
{{- end -}}
