//go:build mb90

// Every API type, the typed clients, CEL and OPA.
package main

import (
	"github.com/google/cel-go/cel"
	"github.com/open-policy-agent/opa/v1/rego"
	extensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
)

func init() {
	kept = append(kept, scheme.Scheme, cel.NewEnv, rego.New, kubernetes.NewForConfig, informers.NewSharedInformerFactory)
	kept = append(kept, extensions.NewForConfig, aggregator.NewForConfig, dynamic.NewForConfig, fake.NewClientset)
}
