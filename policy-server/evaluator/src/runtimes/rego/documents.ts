import { encodeJson, parseJson } from '@portcullis/protocol';
import type { GuestInput } from '../runtime.ts';

/** The JSON bytes a Rego policy is evaluated over. */
export interface RegoDocuments {
  readonly input: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * OPA: the request is the input, settings are the data, Kubernetes objects join them as `data.kubernetes`.
 *
 * @param warn - is told when a setting has to give way to them.
 */
export function opaDocuments(guestInput: GuestInput, warn: (message: string) => void): RegoDocuments {
  const { request, settings, contextData } = guestInput;
  return {
    input: join('{"request":', request, '}'),
    data: contextData === undefined ? join(settings) : withKubernetes(settings, contextData, warn),
  };
}

/** Gatekeeper: settings are the constraint's parameters, Kubernetes objects are found under `data.inventory`. */
export function gatekeeperDocuments({ request, settings, contextData }: GuestInput): RegoDocuments {
  return {
    input: join('{"parameters":', settings, ',"review":', request, '}'),
    data: contextData === undefined ? join('{}') : join('{"inventory":', contextData, '}'),
  };
}

function withKubernetes(
  settings: Uint8Array,
  kubernetes: Uint8Array,
  warn: (message: string) => void,
): Uint8Array<ArrayBuffer> {
  const document = parseJson(settings);
  if (!(document instanceof Map)) throw new TypeError('settings must be a JSON object');
  if (document.delete('kubernetes')) {
    warn('the setting "kubernetes" is hidden by the Kubernetes objects that data.kubernetes holds: rename the setting');
  }
  // Spliced, not parsed: an inventory may hold every object of a cluster.
  const rest = encodeJson(document);
  if (document.size === 0) return join('{"kubernetes":', kubernetes, '}');
  return join('{"kubernetes":', kubernetes, ',', rest.subarray(1));
}

function join(...parts: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const chunks = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
