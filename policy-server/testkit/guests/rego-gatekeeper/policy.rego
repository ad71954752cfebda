# Gatekeeper guest: a set of violations. Behaviours: see ../README.md.
package policy

import rego.v1

behaviour := object.get(input.parameters, "behaviour", "accept")

violation contains {"msg": object.get(input.parameters, "message", "rejected by guest")} if behaviour == "reject"

violation contains {"msg": json.marshal(input)} if behaviour == "echo"

violation contains {"msg": hex.decode("zz")} if behaviour == "error"

violation contains {"msg": 7} if behaviour == "bad-response"

violation contains {"msg": "never"} if {
	behaviour == "loop"
	some i in numbers.range(1, 1000000)
	some j in numbers.range(1, 1000000)
	i * j < 0
}
