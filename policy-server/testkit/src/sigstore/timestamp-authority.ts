import { createHash, generateKeyPairSync } from 'node:crypto';
import type { TSA } from '@sigstore/mock/dist/timestamp/tsa.js';

const SHA256 = '2.16.840.1.101.3.4.2.1';
const POLICY = '1.3.6.1.4.1.57264.2';

/** An authority that signs when it saw something, RFC 3161. */
export interface TimestampAuthority {
  /** DER, from the signing certificate to the root. */
  readonly chain: readonly Buffer[];
  readonly validFrom: Date;
  /** A timestamp response over `bytes`. */
  timestamp(bytes: Uint8Array): Promise<Buffer>;
}

/** Starts one; its clock is the machine's. */
export async function createTimestampAuthority(): Promise<TimestampAuthority> {
  // By its file: the package's root loads an HTTP mock that takes `http.request` over for the whole process.
  const { initializeTSA } = await import('@sigstore/mock/dist/timestamp/tsa.js');
  const validFrom = wholeSeconds();
  // It keeps this object and asks it each time; fractions of seconds it writes in ways that not everybody reads.
  const clock = new Date(validFrom);
  const authority: TSA = await initializeTSA(generateKeyPairSync('ec', { namedCurve: 'P-256' }), clock);
  return {
    chain: [authority.intCertificate, authority.rootCertificate].map(bufferOf),
    validFrom,
    timestamp: async (bytes) => {
      clock.setTime(wholeSeconds().getTime());
      const artifactHash = createHash('sha256').update(bytes).digest();
      const request = { artifactHash, hashAlgorithmOID: SHA256, nonce: 1, policyOID: POLICY, certReq: true };
      return bufferOf(await authority.timestamp(request));
    },
  };
}

function wholeSeconds(): Date {
  return new Date(Math.floor(Date.now() / 1000) * 1000);
}

function bufferOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
