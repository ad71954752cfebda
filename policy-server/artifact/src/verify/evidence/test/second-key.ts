import { createECDH, createHash, createPublicKey, sign, type KeyObject } from 'node:crypto';
import type { KeyPair } from './test-sigstore.ts';

const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A signature, and a second P-256 key under which it verifies: ECDSA has always two such keys. Nobody knows its private half. */
export function signWithSecondKey(message: Uint8Array, keys: KeyPair): { signature: Buffer; secondKey: KeyObject } {
  const signature = sign('sha256', message, keys.privateKey);
  // DER: SEQUENCE { INTEGER r, INTEGER s }.
  const r = numberOf(signature.subarray(4, 4 + (signature[3] ?? 0)));
  const hash = numberOf(createHash('sha256').update(message).digest());
  // Q = (sR − hG)/r verifies, and so does Q′ = (−sR − hG)/r = −(Q + (2h/r)G).
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(hex(mod(2n * hash * inverse(r, ORDER), ORDER)), 'hex');
  const point = ecdh.getPublicKey();
  const { x = '', y = '' } = keys.publicKey.export({ format: 'jwk' });
  const own: Point = [numberOf(Buffer.from(x, 'base64url')), numberOf(Buffer.from(y, 'base64url'))];
  const [sumX, sumY] = add(own, [numberOf(point.subarray(1, 33)), numberOf(point.subarray(33))]);
  return { signature, secondKey: keyAt([sumX, mod(-sumY, FIELD)]) };
}

type Point = readonly [x: bigint, y: bigint];

function add([x1, y1]: Point, [x2, y2]: Point): Point {
  const slope = mod((y2 - y1) * inverse(mod(x2 - x1, FIELD), FIELD), FIELD);
  const x = mod(slope * slope - x1 - x2, FIELD);
  return [x, mod(slope * (x1 - x) - y1, FIELD)];
}

function keyAt([x, y]: Point): KeyObject {
  const text = (value: bigint): string => Buffer.from(hex(value), 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: text(x), y: text(y) }, format: 'jwk' });
}

const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const hex = (value: bigint): string => value.toString(16).padStart(64, '0');

/** Fermat: both moduli are prime. */
function inverse(value: bigint, modulus: bigint): bigint {
  let result = 1n;
  let base = mod(value, modulus);
  for (let exponent = modulus - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = mod(result * base, modulus);
    base = mod(base * base, modulus);
  }
  return result;
}
