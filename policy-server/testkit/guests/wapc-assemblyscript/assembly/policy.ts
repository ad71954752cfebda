// waPC guest written with @portcullis/assemblyscript. Behaviours: see ../../README.md. `settings.behaviour` decides, else the
// name of the request if that is a behaviour.
import {
  PolicyRequest,
  PolicyResponse,
  accept,
  consoleLog,
  failure,
  guestCall,
  hostCall,
  jsonSet,
  mutate,
  quote,
  reject,
} from "@portcullis/assemblyscript/assembly";

@json
class Settings {
  behaviour: string = "";
  message: string | null = null;
  code: u16 = 0;
  valid: bool = true;
  namespace: string = "";
  operation: string = "";
  payload: string = "";
}

class Nonsense extends PolicyResponse {
  toJSON(): string {
    return '{"nonsense":true}';
  }
}

const BEHAVIOURS = ["accept", "reject", "mutate", "warn", "echo", "counter", "leak", "log", "host-call", "error", "throw", "bad-response", "trap", "loop"];
const leaked: StaticArray<u8>[] = [];
let calls: i32 = 0;
let sink: i32 = 0;

function validate(request: PolicyRequest, settings: Settings): PolicyResponse {
  calls++;
  const behaviour = chosenBehaviour(request, settings);
  const message = settings.message;
  if (behaviour == "accept") return accept();
  if (behaviour == "reject") return reject(message === null ? "rejected by guest" : message).withCode(settings.code);
  if (behaviour == "mutate") return addLabel(request);
  if (behaviour == "warn") return accept().withWarning("careful").withAuditAnnotation("seen", "yes");
  if (behaviour == "echo") return reject(request.payload);
  if (behaviour == "counter") return reject(calls.toString());
  if (behaviour == "leak") return leak();
  if (behaviour == "log") return log();
  if (behaviour == "host-call") return askHost(settings);
  if (behaviour == "error") return failure("guest error");
  if (behaviour == "throw") throw new Error("guest error");
  if (behaviour == "bad-response") return new Nonsense();
  if (behaviour == "trap") unreachable();
  if (behaviour == "loop") spin();
  return failure("unknown behaviour " + behaviour);
}

function chosenBehaviour(request: PolicyRequest, settings: Settings): string {
  if (settings.behaviour != "") return settings.behaviour;
  return BEHAVIOURS.includes(request.name) ? request.name : "accept";
}

function addLabel(request: PolicyRequest): PolicyResponse {
  const object = request.object;
  return mutate(jsonSet(object === null ? "{}" : object, ["metadata", "labels", "guest"], quote("mutated")));
}

function leak(): PolicyResponse {
  const block = new StaticArray<u8>(1 << 20);
  block.fill(1);
  leaked.push(block);
  return accept();
}

function log(): PolicyResponse {
  consoleLog("a line from the guest");
  return accept();
}

function askHost(settings: Settings): PolicyResponse {
  const answer = hostCall(settings.namespace, settings.operation, settings.payload);
  return reject(answer.ok ? answer.payload : answer.error);
}

function spin(): void {
  while (true) sink++;
}

function validateSettings(settings: Settings): string | null {
  if (settings.behaviour == "loop-settings") spin();
  if (settings.behaviour == "trap-settings") unreachable();
  if (settings.valid) return null;
  const message = settings.message;
  return message === null ? "refused by guest" : message;
}

export function __guest_call(operationSize: i32, payloadSize: i32): i32 {
  return guestCall<Settings>(operationSize, payloadSize, validate, validateSettings);
}
