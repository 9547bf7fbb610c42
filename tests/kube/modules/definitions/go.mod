module pso-kube/definitions

go 1.26.6

require (
	github.com/kubernetes-csi/external-snapshot-metadata/client v1.0.0
	github.com/openshift/api v0.0.0-20250725072657-92b1455121e1
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
