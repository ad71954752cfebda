import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ProgrammableRegistry, ProgrammedAnswer } from '@portcullis/testkit';
import type { Test } from 'tap';
import { moduleOf } from '../../fetch/test/test-fetcher.ts';
import type { MirrorLimits } from '../mirror-context.ts';
import { descriptorOf, type Mirrored, openMirrored, REPOSITORY, serveRegistry } from './test-mirrors.ts';

export const BLOB = moduleOf(7, 600_000);
export const DESCRIPTOR = descriptorOf(BLOB);
export const PATH = `/v2/${REPOSITORY}/blobs/${DESCRIPTOR.digest}`;

/** The bytes from `start` on, and after `end` the connection breaks. */
export function broken(end: number): (request: { headers: { range?: string } }) => ProgrammedAnswer {
  return ({ headers }) => {
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${start}-${BLOB.length - 1}/${BLOB.length}` };
    return {
      status: start === 0 ? 200 : 206,
      headers: { 'content-length': String(BLOB.length - start), ...(start > 0 && range) },
      body: breaking(BLOB.subarray(start, end)),
    };
  };
}

async function* breaking(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let from = 0; from < bytes.length; from += 50_000) yield bytes.subarray(from, from + 50_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  throw new Error('the wire is cut');
}

/** The same length, one bit flipped. */
export function damaged(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bytes.length >> 1] = (copy[bytes.length >> 1] ?? 0) ^ 1;
  return copy;
}

export interface Parts {
  readonly source: ProgrammableRegistry;
  readonly mirrors: readonly ProgrammableRegistry[];
}

export async function serveParts(t: Test, mirrors: number): Promise<Parts> {
  const started = Array.from({ length: mirrors }, () => serveRegistry(t));
  return { source: await serveRegistry(t), mirrors: await Promise.all(started) };
}

export function openParts(t: Test, { source, mirrors }: Parts, limits: Partial<MirrorLimits> = {}): Mirrored {
  return openMirrored(t, {
    source: source.host,
    mirrors: mirrors.map(({ host }) => ({ host })),
    limits,
  });
}

/** A registry with one blob of zeros, which breaks off where `end` says. */
export async function serveZeros(t: Test, size: number, end: number): Promise<string> {
  const piece = Buffer.alloc(65_536);
  const server = createServer((request, response) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${start}-${size - 1}/${size}` };
    response.writeHead(start === 0 ? 200 : 206, { 'content-length': size - start, ...(start > 0 && range) });
    const zeros = Readable.from(repeat(piece, (Math.min(size, end) - start) / piece.length));
    zeros.pipe(response, { end: false });
    zeros.once('end', () => (end < size ? response.destroy() : response.end()));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close().closeAllConnections());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function* repeat(piece: Uint8Array, times: number): Generator<Uint8Array, void> {
  for (let count = 0; count < times; count++) yield piece;
}
