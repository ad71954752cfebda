# Gatekeeper guest: a set of violations. Behaviours: see ../README.md.
package policy

import rego.v1

behaviour := object.get(input.parameters, "behaviour", "accept")

violation contains {"msg": object.get(input.parameters, "message", "rejected by guest")} if behaviour == "reject"

violation contains {"msg": json.marshal(input)} if behaviour == "echo"

violation contains {"msg": hex.decode("zz")} if behaviour == "error"

violation contains {"msg": 7} if behaviour == "bad-response"

# Endless for every practical purpose, and without taking memory: walking a set allocates nothing.
numbers_of_a_set contains number if some number in numbers.range(1, 1000)

violation contains {"msg": "never"} if {
	behaviour == "loop"
	some a in numbers_of_a_set
	some b in numbers_of_a_set
	some c in numbers_of_a_set
	some d in numbers_of_a_set
	d == a
	c == -1
}
