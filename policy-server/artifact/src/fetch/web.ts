import { ArtifactError } from '../errors.ts';
import { refusalOf } from '../registry/refusal.ts';
import type { Transport, TransportResponse } from '../transport/transport.ts';
import type { Destination } from './destination.ts';
import { Reception, tooLarge, type DownloadProgress } from './reception.ts';

export interface WebDownloadOptions {
  readonly transport: Transport;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** Downloads the module a web server has. Nothing says beforehand what it should be: it must be WebAssembly, and whole. */
export async function downloadFromWeb(
  text: string,
  destination: Destination,
  options: WebDownloadOptions,
): Promise<void> {
  const { transport, maxBytes, signal, onProgress } = options;
  const { url, hostKey, headers } = requestFor(text);
  const name = `${url.protocol}//${url.host}${url.pathname}`;
  const response = await transport.request({ url, hostKey, headers, method: 'GET', signal });
  const totalBytes = await announced(response, name, maxBytes);
  await using draft = await destination.open();
  const reception = new Reception(draft, { name, maxBytes, totalBytes, onProgress, isUnannounced: true });
  try {
    await reception.take(response.body);
  } finally {
    await response.discard();
  }
  if (totalBytes !== undefined && reception.length < totalBytes) throw cutShort(name, reception.length, totalBytes);
  await reception.checkIsModule();
  await draft.commit();
}

async function announced(response: TransportResponse, name: string, maxBytes: number): Promise<number | undefined> {
  if (response.status !== 200) throw await refusalOf(response, `cannot fetch ${name}`);
  const length = response.headers.get('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) return undefined;
  const totalBytes = Number(length);
  if (totalBytes <= maxBytes) return totalBytes;
  await response.discard();
  throw tooLarge(name, maxBytes, totalBytes);
}

/** Name and password of the address become a header: they must not show where the address does. */
function requestFor(text: string): { url: URL; hostKey: string; headers: Readonly<Record<string, string>> } {
  const url = new URL(text);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const written = /^\w+:\/\/(?:[^/?#@]*@)?(?<host>[^/?#]*)/.exec(text)?.groups?.['host'] ?? '';
  // Sources name a host with the port it is written with, also the one that goes without saying.
  const hostKey = written.endsWith(':443') && url.port === '' ? `${url.host}:443` : url.host;
  if (username === '') return { url, hostKey, headers: {} };
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { url, hostKey, headers: { authorization: `Basic ${credentials.toString('base64')}` } };
}

function cutShort(name: string, received: number, total: number): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `${name} ended after ${received} of the ${total} bytes it announced; nothing was kept – try again`,
  );
}
