import { createRequire } from 'node:module';
import type * as opaWasm from '@open-policy-agent/opa-wasm';
import type { RegoExports } from './abi.ts';
import { type DocumentParts, lengthOf } from './documents.ts';
import { RegoFailure, unreadableDocument } from './errors.ts';
import type { RegoMemory } from './memory.ts';

const requireModule = createRequire(import.meta.url);

/** What OPA's own library found out about a policy: evaluations begin with it. */
export interface LoadedPolicy {
  /** Numbers of the entrypoints, as the policy tells them. */
  readonly entrypoints: readonly unknown[];
  /** Where the value of the data document is. */
  readonly dataAddress: number;
}

/**
 * OPA's own library for policies that are Wasm modules. It takes 13 ms to load, for builtins which are not ours, so no thread
 * loads it that has no policy in Rego.
 */
export function opaLibrary(): typeof opaWasm {
  // The package's ES module forgets `LoadedPolicy`; its types and its CommonJS module have it.
  return requireModule('@open-policy-agent/opa-wasm') as typeof opaWasm;
}

/**
 * Has the library load a policy: the data document, behind the base of the heap, and the entrypoints. An image is taken
 * afterwards, so this is not repeated for evaluations. Those do without the library, whose `evaluate` parses every result, which
 * rounds integers beyond 2^53, and makes the memory larger without the guest and our bounds knowing of it.
 *
 * @param data - the data document; absent = the empty one
 * @throws RegoFailure, or what came out of the guest
 */
export function loadPolicy(
  exports: RegoExports,
  memory: RegoMemory,
  { data, maxTextBytes }: { readonly data: DocumentParts | undefined; readonly maxTextBytes: number },
): LoadedPolicy {
  const instance = { module: undefined, instance: { exports: checkedExports(exports, memory, maxTextBytes) } };
  // Which of its two ways to evaluate the library would go; ours is chosen by the same export.
  const minorVersion = exports.opa_eval === undefined ? 0 : 2;
  try {
    const { LoadedPolicy: Loader } = opaLibrary();
    const policy = new Loader(instance as never, memory.memory, minorVersion);
    if (data !== undefined) policy.setData(bufferOf(data));
    const entrypoints: unknown = policy.entrypoints;
    return { entrypoints: Object.values(entrypoints ?? {}), dataAddress: policy.dataAddr };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RegoFailure('guest-error', 'the policy does not list its entrypoints', { cause: error });
  }
}

/**
 * The exports as the library sees them. It takes any address as it comes, looks for the end of a text for ever if there is none,
 * and throws a bare text at a document that cannot be read: so all of this is checked before.
 */
function checkedExports(exports: RegoExports, memory: RegoMemory, maxTextBytes: number): Partial<RegoExports> {
  return {
    ...exports,
    opa_malloc: (size) => memory.allocated(exports.opa_malloc(size), size),
    opa_json_parse: (address, length) => {
      const value = exports.opa_json_parse(address, length);
      if (value === 0) throw unreadableDocument();
      return value;
    },
    opa_json_dump: (value) => memory.terminated(exports.opa_json_dump(value), maxTextBytes),
  };
}

/** The library wants a document in one piece that is nothing but the document. */
function bufferOf(parts: DocumentParts): ArrayBuffer {
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.buffer;
}
