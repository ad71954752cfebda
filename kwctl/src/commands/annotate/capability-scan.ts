import { dataSegments, HOST_CAPABILITIES, moduleKind, readSections } from '@portcullis/protocol';

const CORE_MODULE_SECTION = 1;
const COMPONENT_SECTION = 4;
const MAX_NESTING = 8;

/**
 * The host capabilities a policy seems to use: those whose namespace and operation both occur among its constants. A
 * hint, not a proof.
 */
export function scanCapabilities(bytes: Uint8Array): string[] {
  const separator = Uint8Array.of(0xff);
  const constants = Buffer.concat(allSegments(bytes, 0).flatMap((segment) => [segment, separator]));
  return HOST_CAPABILITIES.filter((capability) => {
    const { namespace, operation } = split(capability);
    return constants.includes(namespace) && occursOnItsOwn(constants, operation);
  });
}

/** The modules of a component carry its data. */
function allSegments(bytes: Uint8Array, depth: number): Uint8Array[] {
  if (moduleKind(bytes) === 'module') return dataSegments(bytes);
  if (depth >= MAX_NESTING) return [];
  return readSections(bytes)
    .filter(({ id }) => id === CORE_MODULE_SECTION || id === COMPONENT_SECTION)
    .flatMap(({ payloadStart, end }) => allSegments(bytes.subarray(payloadStart, end), depth + 1));
}

const OPERATIONS = HOST_CAPABILITIES.map((capability) => split(capability).operation);

/** `v1/oci_manifest` inside of `v1/oci_manifest_config` does not count. */
function occursOnItsOwn(constants: Buffer, operation: string): boolean {
  const longer = OPERATIONS.filter((other) => other !== operation && other.startsWith(operation));
  for (let at = constants.indexOf(operation); at !== -1; at = constants.indexOf(operation, at + 1)) {
    const start = at;
    if (!longer.some((other) => constants.subarray(start, start + other.length).equals(Buffer.from(other))))
      return true;
  }
  return false;
}

function split(capability: string): { namespace: string; operation: string } {
  const slash = capability.indexOf('/');
  return { namespace: capability.slice(0, slash), operation: capability.slice(slash + 1) };
}
