import { systemErrorText } from '@portcullis/artifact';
import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ServerError } from '../errors.ts';
import { logFor, type Log, type TargetLog } from '../telemetry/log.ts';
import { loadAuthorities, loadKeyPair, secureContextOptions, type TlsFiles, type TlsMaterial } from './tls/material.ts';
import { certificateFields, TlsReloader } from './tls/reloader.ts';

/** API servers keep idle connections for 90 s; the end that gives up first must be theirs, or requests race with the close. */
const KEEP_ALIVE_MS = 120_000;
/** A request that takes longer to arrive than an API server ever waits for its answer is an attack on our sockets. */
const RECEIVE_TIMEOUT_MS = 30_000;
/** How late a request that takes too long may be noticed. */
const CHECK_MS = 5000;
const LIMITS = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  requestTimeout: RECEIVE_TIMEOUT_MS,
  connectionsCheckingInterval: CHECK_MS,
} as const;

/** How to listen: what the app's server is made with, and what keeps its certificates fresh. */
export interface Transport extends Disposable {
  readonly scheme: 'http' | 'https';
  createServer(listener: RequestListener): Server;
}

/** Reads certificates, if any, and checks them before a port is opened. */
export async function createTransport(
  files: TlsFiles | undefined,
  log: Log,
  timing: { pollMs?: number; settleMs?: number } = {},
): Promise<Transport> {
  if (files === undefined) {
    const createServer = (listener: RequestListener): Server => createPlainServer(LIMITS, listener);
    return { scheme: 'http', createServer, [Symbol.dispose]() {} };
  }
  const tlsLog = logFor(log, 'policy_server::tls');
  const material = await loadMaterial(files, tlsLog);
  let reloader: TlsReloader | undefined;
  return {
    scheme: 'https',
    createServer(listener) {
      const requestCert = files.clientCaFiles.length > 0;
      const context = secureContextOptions(material);
      const server = createTlsServer({ ...LIMITS, ...context, requestCert, rejectUnauthorized: requestCert }, listener);
      server.on('tlsClientError', (error, socket) => {
        tlsLog.debug('TLS handshake failed', { error: error.message, peer: socket.remoteAddress });
      });
      const apply = (renewed: TlsMaterial): void => server.setSecureContext(secureContextOptions(renewed));
      reloader = new TlsReloader(material, { files, apply, log, ...timing });
      return server;
    },
    [Symbol.dispose]: () => reloader?.[Symbol.dispose](),
  };
}

async function loadMaterial(files: TlsFiles, tlsLog: TargetLog): Promise<TlsMaterial> {
  const pair = await loadKeyPair(files);
  const authorities = await loadAuthorities(files, (file, text) => tlsLog.warn(text, { file }));
  tlsLog.info('TLS certificate loaded', { ...certificateFields(pair.leaf), client_authorities: authorities.length });
  return { pair, authorities };
}

/** Opens a listener. @throws ServerError `listen-failed` */
export async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const text = `${systemErrorText(error)}: cannot listen on ${host}:${port}`;
      reject(new ServerError('listen-failed', text, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
  server.removeAllListeners('error');
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error(`expected a TCP address, got ${String(address)}`);
  return address;
}
