import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Builtin } from './builtin.ts';
import { stringOperand } from './builtin.ts';

/** Digests and message authentication codes, as lower-case hexadecimal. */
export const digestBuiltins: Readonly<Record<string, Builtin>> = {
  'crypto.md5': digest('md5'),
  'crypto.sha1': digest('sha1'),
  'crypto.sha256': digest('sha256'),
  'crypto.hmac.md5': authenticate('md5'),
  'crypto.hmac.sha1': authenticate('sha1'),
  'crypto.hmac.sha256': authenticate('sha256'),
  'crypto.hmac.sha512': authenticate('sha512'),
  'crypto.hmac.equal': (operands) => {
    const [a, b] = [Buffer.from(stringOperand(operands, 0)), Buffer.from(stringOperand(operands, 1))];
    return a.length === b.length && timingSafeEqual(a, b);
  },
};

function digest(algorithm: string): Builtin {
  return (operands) => createHash(algorithm).update(stringOperand(operands, 0)).digest('hex');
}

function authenticate(algorithm: string): Builtin {
  return (operands) => {
    const message = stringOperand(operands, 0);
    return createHmac(algorithm, stringOperand(operands, 1)).update(message).digest('hex');
  };
}
