module bench

go 1.26

require (
	github.com/google/cel-go v0.29.2
	github.com/open-policy-agent/opa v1.22.0
	k8s.io/api v0.37.1
	k8s.io/apiextensions-apiserver v0.37.1
	k8s.io/apimachinery v0.37.1
	k8s.io/client-go v0.37.1
	k8s.io/kube-aggregator v0.37.1
)
