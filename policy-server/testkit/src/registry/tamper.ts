import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** An answer that the registry never gave. */
export type InventedAnswer =
  /** To the same path of another origin, or to `location` itself when it has a path. */
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** 429 (with `retry-after`), 500, 503 … */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** A page for people with status 200 (or `status`), as from a captive portal or a proxy. */
  | { readonly kind: 'html'; readonly status?: number }
  /** `totalBytes` of zeros (default 10 GB) as fast as they are taken, without Content-Length unless `declared`. */
  | { readonly kind: 'endless'; readonly totalBytes?: number; readonly declared?: boolean }
  /** The connection is closed instead of an answer. */
  | { readonly kind: 'drop' };

/** The registry's answer, changed on its way. */
export type AlteredAnswer =
  /** One bit of the byte at `at` (default: in the middle) is another. */
  | { readonly kind: 'flip-byte'; readonly at?: number }
  /** Ends after `bytes` with a Content-Length that says so: a shorter, well-formed answer. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** The connection breaks after `bytes`; the Content-Length is the true one. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** Other bytes altogether, with a fitting Content-Length. */
  | { readonly kind: 'replace'; readonly body: Uint8Array | string; readonly contentType?: string }
  /** A `Docker-Content-Digest` that is not the content's; `undefined` takes the header away. */
  | { readonly kind: 'digest-header'; readonly digest: string | undefined }
  /** The true bytes, a few at a time. */
  | { readonly kind: 'slow-drip'; readonly bytesPerSecond: number }
  /** The first `bytes` (default none, not even a status), then silence with the connection open. */
  | { readonly kind: 'stall'; readonly bytes?: number };

/** What an attacker or a failing network does to an answer. */
export type Damage = InventedAnswer | AlteredAnswer;

/** The answer of the registry itself. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

const INVENTED: ReadonlySet<string> = new Set<InventedAnswer['kind']>([
  'redirect',
  'status',
  'html',
  'endless',
  'drop',
]);

/** Whether the registry need not be asked at all. */
export function isInvented(damage: Damage): damage is InventedAnswer {
  return INVENTED.has(damage.kind);
}

const HTML =
  '<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to this network</h1></body></html>';
const TEN_GIGABYTES = 10_000_000_000;

/** Answers a request for `path` by itself; resolves to how many bytes of body left. */
export async function sendInvented(damage: InventedAnswer, path: string, response: ServerResponse): Promise<number> {
  switch (damage.kind) {
    case 'drop':
      response.destroy();
      return 0;
    case 'redirect':
      response.writeHead(damage.status ?? 307, { location: redirectTarget(damage.location, path) });
      return end(response, '');
    case 'status':
      response.writeHead(damage.status, damage.headers);
      return end(response, damage.body ?? '');
    case 'html':
      response.writeHead(damage.status ?? 200, { 'content-type': 'text/html; charset=utf-8' });
      return end(response, HTML);
    case 'endless':
      return sendEndless(damage.totalBytes ?? TEN_GIGABYTES, damage.declared ?? false, response);
  }
}

/** Passes the registry's answer on with the damage done; resolves to how many bytes of body left. */
export async function sendAltered(
  damage: AlteredAnswer,
  upstream: UpstreamAnswer,
  response: ServerResponse,
): Promise<number> {
  switch (damage.kind) {
    case 'digest-header':
      return sendWhole(upstream, { 'docker-content-digest': damage.digest }, upstream.body, response);
    case 'flip-byte':
      return sendWhole(upstream, {}, flipped(upstream.body, damage.at), response);
    case 'truncate':
      return sendWhole(upstream, {}, upstream.body.subarray(0, damage.bytes), response);
    case 'replace': {
      const type = damage.contentType === undefined ? {} : { 'content-type': damage.contentType };
      return sendWhole(upstream, type, Buffer.from(damage.body), response);
    }
    case 'cut':
    case 'stall':
      return sendPart(damage.kind, upstream, damage.bytes ?? 0, response);
    case 'slow-drip':
      return sendSlowly(upstream, damage.bytesPerSecond, response);
  }
}

function redirectTarget(location: string, path: string): string {
  return new URL(location).pathname === '/' ? new URL(path, location).href : location;
}

function flipped(body: Buffer, at = Math.floor(body.length / 2)): Buffer {
  const copy = Buffer.from(body);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function end(response: ServerResponse, body: string | Buffer): number {
  response.end(body);
  return Buffer.byteLength(body);
}

/** The answer as it came, with these headers changed (`undefined`: taken away) and these bytes. */
function sendWhole(
  upstream: UpstreamAnswer,
  changed: Readonly<Record<string, string | undefined>>,
  body: Buffer,
  response: ServerResponse,
): number {
  const headers: Record<string, string | string[]> = { ...upstream.headers };
  // An answer to HEAD has no body and keeps the length that it announces.
  if (upstream.body.length > 0) headers['content-length'] = String(body.length);
  for (const [name, value] of Object.entries(changed)) {
    if (value === undefined) delete headers[name];
    else headers[name] = value;
  }
  response.writeHead(upstream.status, headers);
  return end(response, body);
}

async function sendPart(
  kind: 'cut' | 'stall',
  upstream: UpstreamAnswer,
  bytes: number,
  response: ServerResponse,
): Promise<number> {
  if (kind === 'stall' && bytes === 0) return 0;
  const part = upstream.body.subarray(0, bytes);
  response.writeHead(upstream.status, upstream.headers);
  await new Promise<void>((resolve) => response.write(part, () => resolve()));
  if (kind === 'cut') response.destroy();
  return part.length;
}

const DRIP_MS = 50;

async function sendSlowly(upstream: UpstreamAnswer, bytesPerSecond: number, response: ServerResponse): Promise<number> {
  response.writeHead(upstream.status, upstream.headers);
  const step = Math.max(1, Math.round((bytesPerSecond * DRIP_MS) / 1000));
  let sent = 0;
  while (sent < upstream.body.length && !response.destroyed) {
    response.write(upstream.body.subarray(sent, sent + step));
    sent = Math.min(sent + step, upstream.body.length);
    await sleep(Math.max(DRIP_MS, (step * 1000) / bytesPerSecond), undefined, { ref: false });
  }
  response.end();
  return sent;
}

async function sendEndless(totalBytes: number, declared: boolean, response: ServerResponse): Promise<number> {
  const length = declared ? { 'content-length': String(totalBytes) } : {};
  response.writeHead(200, { 'content-type': 'application/octet-stream', ...length });
  const closed = once(response, 'close');
  const chunk = Buffer.alloc(64 * 1024);
  let sent = 0;
  while (sent < totalBytes && !response.destroyed) {
    const part = chunk.subarray(0, Math.min(chunk.length, totalBytes - sent));
    sent += part.length;
    if (!response.write(part)) await Promise.race([once(response, 'drain'), closed]);
  }
  response.end();
  return sent;
}
