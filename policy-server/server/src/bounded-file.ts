import { createReadStream } from 'node:fs';

/** A file may be a pipe or a device, which have no size and may never end. */
export class FileTooLarge extends Error {}

/**
 * Reads a file of at most `maxBytes`.
 *
 * @throws FileTooLarge, or the error of the operating system
 */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('expected bytes');
    size += chunk.length;
    if (size > maxBytes) throw new FileTooLarge(`expected at most ${maxBytes} bytes, got more`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
