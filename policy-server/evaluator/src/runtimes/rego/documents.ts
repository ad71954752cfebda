import { encodeJson, parseJson } from '@portcullis/protocol';
import type { GuestInput } from '../runtime.ts';

/** A JSON text in parts, as they are put one behind the other into a policy's memory: nothing is joined before. */
export type DocumentParts = readonly Uint8Array[];

/** The JSON bytes a Rego policy is evaluated over. */
export interface RegoDocuments {
  readonly input: DocumentParts;
  readonly data: DocumentParts;
}

const encoder = new TextEncoder();
const [REQUEST, PARAMETERS, REVIEW] = [
  encoder.encode('{"request":'),
  encoder.encode('{"parameters":'),
  encoder.encode(',"review":'),
];
const [KUBERNETES, INVENTORY] = [encoder.encode('{"kubernetes":'), encoder.encode('{"inventory":')];
const [EMPTY, COMMA, END] = [encoder.encode('{}'), encoder.encode(','), encoder.encode('}')];

/**
 * OPA: the request is the input, settings are the data, Kubernetes objects join them as `data.kubernetes`.
 *
 * @param warn - is told when a setting has to give way to them.
 */
export function opaDocuments(guestInput: GuestInput, warn: (message: string) => void): RegoDocuments {
  const { request, settings, contextData } = guestInput;
  return {
    input: [REQUEST, request, END],
    data: contextData === undefined ? [settings] : withKubernetes(settings, contextData, warn),
  };
}

/** Gatekeeper: settings are the constraint's parameters, Kubernetes objects are found under `data.inventory`. */
export function gatekeeperDocuments({ request, settings, contextData }: GuestInput): RegoDocuments {
  return {
    input: [PARAMETERS, settings, REVIEW, request, END],
    data: contextData === undefined ? [EMPTY] : [INVENTORY, contextData, END],
  };
}

function withKubernetes(settings: Uint8Array, kubernetes: Uint8Array, warn: (message: string) => void): DocumentParts {
  // Spliced, not parsed: an inventory may hold every object of a cluster.
  const rest = mentionsKubernetes(settings) ? withoutKubernetes(settings, warn) : settings;
  if (rest.length === EMPTY.length) return [KUBERNETES, kubernetes, END];
  return [KUBERNETES, kubernetes, COMMA, rest.subarray(1)];
}

/** Whether the settings may have such a member; JSON can also spell it with escapes, but canonical JSON does not. */
function mentionsKubernetes({ buffer, byteOffset, length }: Uint8Array): boolean {
  return Buffer.from(buffer, byteOffset, length).includes('"kubernetes":');
}

function withoutKubernetes(settings: Uint8Array, warn: (message: string) => void): Uint8Array {
  const document = parseJson(settings);
  if (!(document instanceof Map)) throw new TypeError('settings must be a JSON object');
  if (document.delete('kubernetes')) {
    warn('the setting "kubernetes" is hidden by the Kubernetes objects that data.kubernetes holds: rename the setting');
  }
  return encodeJson(document);
}

/** Whether this is the document without members. */
export function isEmpty(parts: DocumentParts): boolean {
  const [text] = parts;
  return parts.length === 1 && text?.length === EMPTY.length && text[0] === EMPTY[0] && text[1] === EMPTY[1];
}

/** The length of a document's text in bytes. */
export function lengthOf(parts: DocumentParts): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}
