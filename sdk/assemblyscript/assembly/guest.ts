import { JSON } from "json-as";
import { jsonGet, jsonKeys } from "./json-text";
import { PolicyRequest } from "./request";
import { PolicyResponse, settingsResponse } from "./response";
import { fail, receiveCall, respond } from "./wapc";

/**
 * The whole of a policy's `__guest_call`: fetches what the host asks for, calls `validate` or `validateSettings`, and
 * answers. `S` is the policy's settings class, marked `@json`; settings that are absent keep the defaults of its fields.
 *
 * `validateSettings` returns what is wrong with the settings, or null.
 */
export function guestCall<S>(
  operationSize: i32,
  payloadSize: i32,
  validate: (request: PolicyRequest, settings: S) => PolicyResponse,
  validateSettings: (settings: S) => string | null,
): i32 {
  const call = receiveCall(operationSize, payloadSize);
  if (call.operation == "validate") {
    const request = jsonGet(call.payload, ["request"]);
    if (request === null) return fail("the payload of validate carries no request");
    const settings = jsonGet(call.payload, ["settings"]);
    const response = validate(new PolicyRequest(request, call.payload), parseSettings<S>(settings));
    const problem = response.problem;
    return problem === null ? respond(response.toJSON()) : fail(problem);
  }
  if (call.operation == "validate_settings") {
    const settings = parseSettings<S>(call.payload);
    const problem = typeProblem(call.payload, JSON.stringify<S>(settings));
    return respond(settingsResponse(problem === null ? validateSettings(settings) : problem));
  }
  if (call.operation == "protocol_version") return respond('"v1"');
  return fail(`Could not find function "${call.operation}"`);
}

function parseSettings<S>(text: string | null): S {
  if (text === null || text.length == 0 || text == "null") return JSON.parse<S>("{}");
  if (!text.startsWith("{")) throw new Error("the settings are not an object");
  return JSON.parse<S>(text);
}

/**
 * json-as leaves a field at its default when the JSON has another type there, so a mistyped setting would pass for one that
 * is absent. What it read, written out again, shows it: the same key with a value of another kind.
 */
function typeProblem(given: string, understood: string): string | null {
  const keys = jsonKeys(understood, []);
  for (let i = 0; i < keys.length; i++) {
    const value = jsonGet(given, [keys[i]]);
    const expected = jsonGet(understood, [keys[i]]);
    if (value === null || expected === null || value == "null" || kindOf(value) == kindOf(expected)) continue;
    const wanted = expected == "null" ? "another type" : kindOf(expected);
    return `${keys[i]}: expected ${wanted}, got ${kindOf(value)}`;
  }
  return null;
}

function kindOf(json: string): string {
  if (json.startsWith('"')) return "a string";
  if (json.startsWith("[")) return "a list";
  if (json.startsWith("{")) return "an object";
  if (json == "null") return "null";
  return json == "true" || json == "false" ? "a boolean" : "a number";
}
