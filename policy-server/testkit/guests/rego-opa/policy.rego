# OPA guest: the whole AdmissionReview response is the policy's own. Behaviours: see ../README.md.
package policy

import rego.v1

default behaviour := "accept"

behaviour := data.behaviour

default message := "rejected by guest"

message := data.message

default code := 403

code := data.code

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

response := {"uid": input.request.uid, "allowed": true} if behaviour in {"accept", "loop-settings", "trap-settings"}

response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"message": message, "code": code},
} if behaviour == "reject"

response := {
	"uid": input.request.uid,
	"allowed": true,
	"patchType": "JSONPatch",
	"patch": base64.encode(json.marshal([{"op": "add", "path": "/metadata/labels/guest", "value": "mutated"}])),
} if behaviour == "mutate"

response := {
	"uid": input.request.uid,
	"allowed": true,
	"warnings": ["careful"],
	"auditAnnotations": {"seen": "yes"},
} if behaviour == "warn"

response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"message": json.marshal({"request": input.request, "settings": {"behaviour": data.behaviour}})},
} if behaviour == "echo"

# A builtin that fails ends the evaluation with an error.
response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"message": hex.decode("zz")},
} if behaviour == "error"

response := {"nonsense": true} if behaviour == "bad-response"

# Endless for every practical purpose, and without taking memory: walking a set allocates nothing.
numbers_of_a_set contains number if some number in numbers.range(1, 1000)

response := {"uid": input.request.uid, "allowed": false} if {
	behaviour == "loop"
	some a in numbers_of_a_set
	some b in numbers_of_a_set
	some c in numbers_of_a_set
	some d in numbers_of_a_set
	d == a
	c == -1
}
