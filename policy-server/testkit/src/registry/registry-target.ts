import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

/** Where a registry is and how a test speaks to it. */
export interface RegistryTarget {
  /** `http://127.0.0.1:PORT` or `https://…`. */
  readonly url: string;
  /** PEM of the authority behind its certificate. */
  readonly authority?: string | undefined;
  readonly basicAuth?: BasicAuth | undefined;
}

export interface BasicAuth {
  readonly user: string;
  readonly password: string;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RegistryCall {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** One call to a registry, with its certificate authority and credentials; no redirects, no retries. */
export function callRegistry(
  target: RegistryTarget,
  method: string,
  path: string,
  call: RegistryCall = {},
): Promise<RegistryAnswer> {
  const url = new URL(path, target.url);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const auth = target.basicAuth === undefined ? {} : { authorization: basicAuthorization(target.basicAuth) };
  const length = call.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(call.body)) };
  const headers = { ...auth, ...length, ...call.headers };
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { method, headers, ca: target.authority }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
      answer.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(call.body);
  });
}

/** Value of the `Authorization` header. */
export function basicAuthorization({ user, password }: BasicAuth): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
