import { createPublicKey, randomBytes, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import { type LoopbackServer, bodyOf, startLoopbackServer } from '../registry/loopback-server.ts';
import type { SigstoreIdentity } from './fulcio.ts';
import type { Sigstore } from './sigstore.ts';

/** Fulcio and Rekor of a `Sigstore` on loopback, for programs that sign by themselves. */
export interface SigstoreServices extends LoopbackServer {
  /** `SigningConfig` JSON that names them. */
  readonly signingConfig: string;
  /** The token with which somebody says who they are; nobody signed it, and Fulcio believes it. */
  identityToken(identity: SigstoreIdentity): string;
}

/** Starts certificate authority and log as services. */
export async function startSigstoreServices(sigstore: Sigstore): Promise<SigstoreServices> {
  const server = await startLoopbackServer((request, response) => {
    serve(sigstore, request, response).catch((error: unknown) => {
      response.writeHead(400, JSON_TYPE).end(JSON.stringify({ message: String(error) }));
    });
  });
  return {
    host: server.host,
    url: server.url,
    signingConfig: signingConfig(server.url, sigstore.fulcio.validFrom),
    identityToken,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

async function serve(sigstore: Sigstore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse((await bodyOf(request)).toString());
  const path = (request.url ?? '').replace(/\?.*$/, '');
  if (path === '/api/v2/signingCert') {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? body.credentials?.oidcIdentityToken;
    const answer = issue(sigstore, token, body.publicKeyRequest);
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(answer));
  } else if (path === '/api/v1/log/entries') {
    const uuid = randomBytes(40).toString('hex');
    const headers = { ...JSON_TYPE, etag: uuid, location: `/api/v1/log/entries/${uuid}` };
    response.writeHead(201, headers).end(JSON.stringify({ [uuid]: answerOf(log(sigstore, body)) }));
  } else response.writeHead(404, JSON_TYPE).end('{}');
}

interface PublicKeyRequest {
  readonly publicKey: { readonly content: string };
  readonly proofOfPossession: string;
}

/** A certificate for whom the token names, if they have the key: they signed the token's subject with it. */
function issue(sigstore: Sigstore, token: string, request: PublicKeyRequest): object {
  const claims: Record<string, string> = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const publicKey = createPublicKey(request.publicKey.content);
  const subject = Buffer.from(claims['email'] ?? claims['sub'] ?? '');
  if (!verify('sha256', subject, publicKey, Buffer.from(request.proofOfPossession, 'base64')))
    throw new Error('the key was not proven to be there');
  const { certificate, chain } = sigstore.fulcio.certify(identityOf(claims), publicKey);
  return { signedCertificateEmbeddedSct: { chain: { certificates: [certificate, ...chain].map(({ pem }) => pem) } } };
}

function identityToken({ email, uri, issuer, githubRepository }: SigstoreIdentity): string {
  const now = Math.floor(Date.now() / 1000);
  const subject = email === undefined ? { sub: uri } : { sub: email, email, email_verified: true };
  const claims = { iss: issuer, aud: 'sigstore', iat: now, exp: now + 600, ...subject, repository: githubRepository };
  const parts = [{ alg: 'none', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)));
  return `${parts.map((part) => part.toString('base64url')).join('.')}.${Buffer.from('unsigned').toString('base64url')}`;
}

function identityOf(claims: Readonly<Record<string, string>>): SigstoreIdentity {
  const { iss: issuer = '', email, sub = '', repository } = claims;
  const github = repository === undefined ? {} : { githubRepository: repository };
  return { issuer, ...(email === undefined ? { uri: sub } : { email }), ...github };
}

/** Puts a proposed entry of kind `dsse` or `hashedrekord` into the log, as it will be read from there. */
function log({ rekor }: Sigstore, proposed: { kind: string; apiVersion: string; spec: never }): TransparencyLogEntry {
  if (proposed.kind !== 'dsse') return rekor.logEntry(proposed);
  const { envelope, verifiers } = (proposed.spec as { proposedContent: { envelope: string; verifiers: string[] } })
    .proposedContent;
  return rekor.logEnvelope(JSON.parse(envelope), Buffer.from(verifiers[0] ?? '', 'base64').toString());
}

/** An entry as Rekor's API shows it. */
function answerOf(entry: TransparencyLogEntry): object {
  const { inclusionProof: proof } = entry;
  return {
    body: entry.canonicalizedBody.toString('base64'),
    integratedTime: Number(entry.integratedTime),
    logID: entry.logId?.keyId.toString('hex'),
    logIndex: Number(entry.logIndex),
    verification: {
      inclusionProof: {
        checkpoint: proof?.checkpoint?.envelope,
        hashes: proof?.hashes.map((hash) => hash.toString('hex')),
        logIndex: Number(proof?.logIndex),
        rootHash: proof?.rootHash.toString('hex'),
        treeSize: Number(proof?.treeSize),
      },
      signedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp.toString('base64'),
    },
  };
}

function signingConfig(url: string, validFrom: Date): string {
  const service = {
    url,
    majorApiVersion: 1,
    validFor: { start: validFrom.toISOString() },
    operator: 'portcullis.test',
  };
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service],
    rekorTlogUrls: [service],
    rekorTlogConfig: { selector: 'ANY' },
    tsaConfig: {},
  });
}
