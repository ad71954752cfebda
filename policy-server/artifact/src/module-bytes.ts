import { ArtifactError } from './errors.ts';

const MAGIC = Uint8Array.of(0x00, 0x61, 0x73, 0x6d);

/** True for bytes that begin as every WebAssembly module does; fewer than four may still come to. */
export function mayBeModule(head: Uint8Array): boolean {
  return MAGIC.every((byte, index) => index >= head.length || head[index] === byte);
}

/** @throws ArtifactError `module-invalid` */
export function refuseNoModule(head: Uint8Array, name: string): void {
  if (head.length >= MAGIC.length && mayBeModule(head)) return;
  throw new ArtifactError(
    'module-invalid',
    `invalid wasm file: ${name} – expected the bytes 00 61 73 6d ("\\0asm") at its beginning, got ${shownBytes(head)}`,
  );
}

/** A page for browsers: a proxy or a login page answers in the server's place, and says so with status 200. */
export function refusePage(head: Uint8Array, name: string): void {
  const text = new TextDecoder('latin1').decode(head).replace(/^\u00ef\u00bb\u00bf/, '');
  if (!/^\s*<[!?a-z]/i.test(text)) return;
  throw new ArtifactError(
    'answer-invalid',
    `expected a WebAssembly module from ${name}, got a web page – check the address; a proxy or a login page may answer in its place`,
  );
}

function shownBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  return Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
