// Guest under test: a component built through jco. Behaviours: see ../README.md. `settings.behaviour` decides, else the
// name of the request if that is a behaviour; besides the common ones this guest knows those marked "component only".
import host from 'portcullis:policy/host@0.1.0';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };
interface Settings {
  behaviour?: string;
  message?: string;
  code?: number;
  valid?: boolean;
  namespace?: string;
  operation?: string;
  payload?: string;
}
interface Request {
  name?: string;
  object?: JsonObject;
}
type Behaviour = (settings: Settings, request: Request, payload: string) => Json;

const behaviours = new Map<string, Behaviour>([
  ['accept', () => ({ accepted: true })],
  ['reject', ({ message, code }) => reject(message ?? 'rejected by guest', code)],
  ['mutate', (_, { object }) => ({ accepted: true, mutated_object: withLabel(object ?? {}, 'guest', 'mutated') })],
  ['warn', () => ({ accepted: true, warnings: ['careful'], audit_annotations: { seen: 'yes' } })],
  ['echo', (_, __, payload) => reject(payload)],
  ['counter', () => reject(String(evaluations))],
  ['leak', leak],
  ['log', log],
  ['host-call', hostCall],
  ['error', () => fail('guest error')],
  ['bad-response', () => ({ nonsense: true })],
  // Date.now() asks WASI for the clock, and this component is built with WASI stubbed out by traps.
  ['trap', () => Date.now()],
  ['loop', loop],
  // Component only:
  ['throw', () => JSON.parse('{')],
  ['many-host-calls', manyHostCalls],
  ['hoard', hoard],
  ['big-answer', () => reject('x'.repeat(2 << 20))],
  ['big-error', () => fail('x'.repeat(2 << 20))],
]);
const leaked: Uint8Array[] = [];
let evaluations = 0;

export function validate(bytes: Uint8Array): Uint8Array {
  evaluations++;
  const payload = decode(bytes);
  const { request, settings } = JSON.parse(payload) as { request: Request; settings: Settings };
  const name = settings.behaviour ?? request.name ?? '';
  const behaviour = behaviours.get(name);
  if (behaviour === undefined && settings.behaviour) throw `unknown behaviour ${name}`;
  return encode(JSON.stringify((behaviour ?? (() => ({ accepted: true })))(settings, request, payload)));
}

export function validateSettings(bytes: Uint8Array): Uint8Array {
  const { behaviour, valid, message } = JSON.parse(decode(bytes)) as Settings;
  if (behaviour === 'loop-settings') loop();
  if (behaviour === 'trap-settings') return encode(String(Date.now()));
  if (behaviour === 'error-settings') fail('guest error');
  return encode(JSON.stringify(valid === false ? { valid, message: message ?? 'refused by guest' } : { valid: true }));
}

function reject(message: string, code?: number): Json {
  return code === undefined ? { accepted: false, message } : { accepted: false, message, code };
}

/** A thrown string is the `err` of the result; a thrown Error arrives as its message. */
function fail(text: string): never {
  throw text;
}

function withLabel(object: JsonObject, name: string, value: string): JsonObject {
  const metadata = (object['metadata'] ?? {}) as JsonObject;
  const labels = (metadata['labels'] ?? {}) as JsonObject;
  return { ...object, metadata: { ...metadata, labels: { ...labels, [name]: value } } };
}

function leak(): Json {
  leaked.push(new Uint8Array(1 << 20).fill(1));
  return { accepted: true };
}

function hoard(): Json {
  for (;;) leak();
}

function loop(): never {
  for (;;);
}

function log(): Json {
  host.call('kubewarden', 'tracing', 'log', encode('{"level":"info","message":"a line from the guest"}'));
  return { accepted: true };
}

function hostCall({ namespace, operation, payload }: Settings): Json {
  try {
    return reject(decode(host.call('kubewarden', namespace ?? '', operation ?? '', encode(payload ?? ''))));
  } catch (error) {
    // The `err` of a result arrives as an error that carries it.
    return reject(String((error as { payload?: string }).payload ?? error));
  }
}

function manyHostCalls(): Json {
  for (let n = 0; n < 100_000; n++) log();
  return { accepted: true };
}

// QuickJS as a component has no TextEncoder; these two pairs of old functions are UTF-8 codecs.
function decode(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return decodeURIComponent(escape(text));
}

function encode(text: string): Uint8Array {
  const latin1 = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(latin1.length);
  for (let at = 0; at < latin1.length; at++) bytes[at] = latin1.charCodeAt(at);
  return bytes;
}
