import { JSON } from "json-as";
import { jsonGet } from "./json-text";
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
    return respond(validate(new PolicyRequest(request), parseSettings<S>(settings)).toJSON());
  }
  if (call.operation == "validate_settings") {
    return respond(settingsResponse(validateSettings(parseSettings<S>(call.payload))));
  }
  if (call.operation == "protocol_version") return respond('"v1"');
  return fail(`Could not find function "${call.operation}"`);
}

function parseSettings<S>(text: string | null): S {
  return JSON.parse<S>(text === null || text.length == 0 || text == "null" ? "{}" : text);
}
