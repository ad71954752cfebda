# Denies Pods with privileged containers: the same rule as policies/pod-privileged (TypeScript) and pod-privileged-rust.
# One source for both servers: as a Wasm module in ours, as data.policy.main in OPA's.
package policy

import rego.v1

lists := {"containers", "initContainers", "ephemeralContainers"}

privileged contains container.name if {
	some list in lists
	some container in input.request.object.spec[list]
	container.securityContext.privileged == true
}

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

response := {"uid": input.request.uid, "allowed": true} if count(privileged) == 0

response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"message": concat("", ["privileged containers are not allowed: ", concat(", ", privileged)])},
} if {
	count(privileged) > 0
}
