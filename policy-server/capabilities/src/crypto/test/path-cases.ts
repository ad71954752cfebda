import { authority, certificate, constraints, leaf, unknownExtension, usage, type Made } from './pki.ts';

const UNKNOWN = 'Certificate is not trusted by the provided cert chain';
const EXPIRED = 'Certificate is being used after its expiration date';
const EARLY = 'Certificate is being used before its validity date';
/** The reason for what has no words of its own. */
export const otherReason = (problem: string): string => `Certificate not trusted: ${problem}`;

export interface PathCase {
  readonly name: string;
  readonly leaf: Made;
  /** Intermediates, then the anchor. */
  readonly chain: readonly Made[];
  /** '' = trusted. */
  readonly reason: string;
  /** Why openssl says the opposite, where it does. */
  readonly opensslDiffers?: string;
}

export const root = authority({ subject: 'root' });
const mid = authority({ subject: 'mid', issuer: 'root' });
export const end = leaf({ subject: 'end', issuer: 'mid' });
const self = leaf({ subject: 'self' });

/** Authorities `a1` (issued by `root`) to `aN`, the lowest first. */
function tower(height: number): Made[] {
  return Array.from({ length: height }, (_, i) =>
    authority({ subject: `a${i + 1}`, issuer: i === 0 ? 'root' : `a${i}` }),
  ).reverse();
}

export const SHAPES: PathCase[] = [
  { name: 'leaf, intermediate, root', leaf: end, chain: [mid, root], reason: '' },
  { name: 'leaf under the anchor', leaf: leaf({ subject: 'end', issuer: 'root' }), chain: [root], reason: '' },
  { name: 'an intermediate is the anchor', leaf: end, chain: [mid], reason: '' },
  { name: 'wrong order: the intermediate is the anchor', leaf: end, chain: [root, mid], reason: '' },
  { name: 'each certificate twice', leaf: end, chain: [mid, mid, root, root], reason: '' },
  { name: 'the leaf among the intermediates', leaf: end, chain: [end, mid, root], reason: '' },
  { name: 'the intermediate is missing', leaf: end, chain: [root], reason: UNKNOWN },
  { name: 'another root', leaf: end, chain: [mid, authority({ subject: 'elsewhere' })], reason: UNKNOWN },
  {
    name: 'a root of the same name',
    leaf: end,
    chain: [mid, authority({ subject: 'root', key: 'x', signingKey: 'x' })],
    reason: UNKNOWN,
  },
  {
    name: 'an intermediate of the same name',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', key: 'x' }), root],
    reason: UNKNOWN,
  },
  {
    name: 'the right intermediate behind one of the same name',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', key: 'x' }), mid, root],
    reason: '',
    opensslDiffers: 'it follows the first of a name',
  },
  {
    name: 'an intermediate that somebody else signed',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', signingKey: 'x' }), root],
    reason: UNKNOWN,
  },
  {
    name: 'a leaf that somebody else signed',
    leaf: leaf({ subject: 'end', issuer: 'mid', signingKey: 'x' }),
    chain: [mid, root],
    reason: UNKNOWN,
  },
  {
    name: 'cross-signed: one of two roots is the anchor',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'old root' }), mid, root],
    reason: '',
    opensslDiffers: 'it follows the first of a name',
  },
  {
    name: 'a new root signed by the anchor',
    leaf: end,
    chain: [mid, authority({ subject: 'root', issuer: 'old root' }), authority({ subject: 'old root' })],
    reason: '',
  },
  {
    name: 'self-signed leaf that is the anchor',
    leaf: self,
    chain: [self],
    reason: '',
  },
  { name: 'self-signed leaf that nobody vouches for', leaf: leaf({ subject: 'self' }), chain: [root], reason: UNKNOWN },
  { name: 'six intermediates', leaf: leaf({ subject: 'end', issuer: 'a6' }), chain: [...tower(6), root], reason: '' },
  {
    name: 'seven intermediates',
    leaf: leaf({ subject: 'end', issuer: 'a7' }),
    chain: [...tower(7), root],
    reason: otherReason('MaximumPathDepthExceeded'),
    opensslDiffers: 'it follows a hundred',
  },
];

export const TIMES: PathCase[] = [
  {
    name: 'expired leaf',
    leaf: leaf({ subject: 'end', issuer: 'mid', toDays: -1 }),
    chain: [mid, root],
    reason: EXPIRED,
  },
  {
    name: 'leaf of tomorrow',
    leaf: leaf({ subject: 'end', issuer: 'mid', fromDays: 1 }),
    chain: [mid, root],
    reason: EARLY,
  },
  {
    name: 'leaf that expires now',
    leaf: leaf({ subject: 'end', issuer: 'mid', toDays: 0 }),
    chain: [mid, root],
    reason: '',
    opensslDiffers: 'for it the last second is over',
  },
  {
    name: 'leaf that begins now',
    leaf: leaf({ subject: 'end', issuer: 'mid', fromDays: 0 }),
    chain: [mid, root],
    reason: '',
  },
  {
    name: 'expired intermediate',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', toDays: -1 }), root],
    reason: EXPIRED,
  },
  {
    name: 'intermediate of tomorrow',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', fromDays: 1 }), root],
    reason: EARLY,
  },
  {
    name: 'expired intermediate beside a renewed one',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', toDays: -1 }), mid, root],
    reason: '',
  },
  {
    name: 'expired intermediate of the same name and another key',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', key: 'x', toDays: -1 }), root],
    reason: UNKNOWN,
  },
  {
    name: 'expired anchor',
    leaf: end,
    chain: [mid, authority({ subject: 'root', toDays: -1 })],
    reason: '',
    opensslDiffers: 'dates of anchors count for it',
  },
];

export const LIMITS: PathCase[] = [
  {
    name: 'a leaf as intermediate',
    leaf: end,
    chain: [leaf({ subject: 'mid', issuer: 'root' }), root],
    reason: otherReason('EndEntityUsedAsCa'),
  },
  {
    name: 'an intermediate without basic constraints',
    leaf: end,
    chain: [certificate({ subject: 'mid', issuer: 'root' }), root],
    reason: otherReason('EndEntityUsedAsCa'),
  },
  {
    name: 'an intermediate that may not sign certificates',
    leaf: end,
    chain: [certificate({ subject: 'mid', issuer: 'root', extensions: [constraints(true), usage(0x80)] }), root],
    reason: otherReason('IssuerNotCertSigner'),
  },
  {
    name: 'an intermediate without key usage',
    leaf: end,
    chain: [certificate({ subject: 'mid', issuer: 'root', extensions: [constraints(true)] }), root],
    reason: '',
  },
  {
    name: 'path length 0 with nothing below',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root' }, 0), root],
    reason: '',
  },
  {
    name: 'path length 0 with an authority below',
    leaf: leaf({ subject: 'end', issuer: 'sub' }),
    chain: [authority({ subject: 'sub', issuer: 'mid' }), authority({ subject: 'mid', issuer: 'root' }, 0), root],
    reason: otherReason('PathLenConstraintViolated'),
  },
  {
    name: 'path length 0 with the same authority anew below',
    leaf: leaf({ subject: 'end', issuer: 'mid', signingKey: 'new mid' }),
    chain: [
      authority({ subject: 'mid', issuer: 'mid', key: 'new mid' }),
      authority({ subject: 'mid', issuer: 'root' }, 0),
      root,
    ],
    reason: '',
    opensslDiffers: 'it follows the first of a name',
  },
  {
    name: 'path length of the anchor',
    leaf: end,
    chain: [mid, authority({ subject: 'root' }, 0)],
    reason: otherReason('PathLenConstraintViolated'),
  },
  {
    name: 'an anchor that says it is no authority',
    leaf: leaf({ subject: 'end', issuer: 'root' }),
    chain: [leaf({ subject: 'root' })],
    reason: otherReason('EndEntityUsedAsCa'),
  },
  {
    name: 'an anchor that may not sign certificates',
    leaf: leaf({ subject: 'end', issuer: 'root' }),
    chain: [certificate({ subject: 'root', extensions: [usage(0x80)] })],
    reason: otherReason('IssuerNotCertSigner'),
  },
  {
    name: 'an intermediate with an unknown critical extension',
    leaf: end,
    chain: [authority({ subject: 'mid', issuer: 'root', extensions: [unknownExtension(true)] }), root],
    reason: otherReason('UnsupportedCriticalExtension'),
  },
  {
    name: 'unknown extensions that are not critical',
    leaf: leaf({ subject: 'end', issuer: 'mid', extensions: [unknownExtension(false)] }),
    chain: [authority({ subject: 'mid', issuer: 'root', extensions: [unknownExtension(false)] }), root],
    reason: '',
  },
];
