import { METADATA_SECTION, replaceCustomSection } from '@portcullis/protocol';
import { watModule } from '../wat.ts';

export interface PolicyModuleOptions {
  /** Refuses every request with this message; accepts all when absent. */
  readonly rejectWith?: string;
  /** Part of the module, so that two modules differ in their digest. */
  readonly label?: string;
  /** Merged over metadata of a validating waPC policy for pods; `null`: no metadata at all. */
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** Bytes that nothing reads, for downloads of a size. */
  readonly paddingBytes?: number;
}

const METADATA = {
  rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
  mutating: false,
  executionMode: 'kubewarden-wapc',
  protocolVersion: 'v1',
};

/** Where texts begin in the module's memory. */
const TEXTS_AT = 16;

/** A whole waPC policy of less than a kilobyte, annotated: it judges every request alike and takes any settings. */
export async function policyModule(options: PolicyModuleOptions = {}): Promise<Uint8Array> {
  const { rejectWith, label = 'policy', metadata = {}, paddingBytes = 0 } = options;
  const verdict = rejectWith === undefined ? { accepted: true } : { accepted: false, message: rejectWith };
  const texts = [JSON.stringify(verdict), '{"valid":true}', '"v1"', label].map((text) => Buffer.from(text));
  const offsets = texts.map((_, index) => TEXTS_AT + texts.slice(0, index).reduce((sum, { length }) => sum + length, 0));
  const say = (index: number): string =>
    `(call $response (i32.const ${offsets[index]}) (i32.const ${texts[index]?.length}))`;
  const module = await watModule(`(module
    (import "wapc" "__guest_response" (func $response (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const ${TEXTS_AT}) "${texts.map(escaped).join('')}")
    (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
      (if (i32.eq (local.get $operation) (i32.const 8 (; validate ;))) (then ${say(0)}))
      (if (i32.eq (local.get $operation) (i32.const 17 (; validate_settings ;))) (then ${say(1)}))
      (if (i32.eq (local.get $operation) (i32.const 16 (; protocol_version ;))) (then ${say(2)}))
      (i32.const 1)))`);
  const padded = paddingBytes === 0 ? module : replaceCustomSection(module, 'padding', new Uint8Array(paddingBytes));
  if (metadata === null) return padded;
  return replaceCustomSection(padded, METADATA_SECTION, Buffer.from(JSON.stringify({ ...METADATA, ...metadata })));
}

function escaped(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}
