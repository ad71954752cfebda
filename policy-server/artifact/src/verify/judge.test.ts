import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { test } from 'tap';
import type { ArtifactLogRecord } from '../log.ts';
import { parseVerificationConfig } from './config/parse.ts';
import type { SignatureRequirement, VerificationConfig } from './config/requirement.ts';
import type { Signature, SignatureEvidence } from './evidence/signature.ts';
import { judge, UnmetRequirements } from './judge.ts';
import type { Requirement } from './requirement-match.ts';

interface Signer {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly pem: string;
}

function signerOf({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): Signer {
  return { privateKey, publicKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

const alice = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const bob = signerOf(generateKeyPairSync('ed25519'));
const carol = signerOf(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const dave = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }));

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** A signature that really verifies, and whatever else was proven about it. */
function signature(signer: Signer, proven: Partial<Signature> = {}): Signature {
  const payload = Buffer.from(`signed ${DIGEST}`);
  const hash = (key: KeyObject): string | null => (key.asymmetricKeyType === 'ed25519' ? null : 'sha256');
  const bytes = sign(hash(signer.privateKey), payload, signer.privateKey);
  return {
    origin: 'cosign-tag',
    annotations: new Map(),
    isSignedBy: (key) => {
      try {
        return verify(hash(key), payload, key, bytes);
      } catch {
        return false;
      }
    },
    identity: undefined,
    integratedTimeMs: undefined,
    certificate: undefined,
    ...proven,
  };
}

function evidence(...signatures: Signature[]): SignatureEvidence {
  return { digest: DIGEST, signatures, rejected: [] };
}

function pubKey({ pem }: Signer, annotations?: Record<string, string>): SignatureRequirement {
  return {
    kind: 'pubKey',
    owner: undefined,
    key: pem,
    annotations: annotations && new Map(Object.entries(annotations)),
  };
}

interface Verdict {
  /** `ok`, or the text of the error. */
  readonly text: string;
  readonly log: readonly ArtifactLogRecord[];
  readonly met: readonly unknown[];
}

async function verdict<R extends Requirement>(
  config: Partial<VerificationConfig<R>>,
  found: SignatureEvidence,
  now = new Date(),
): Promise<Verdict> {
  const log: ArtifactLogRecord[] = [];
  try {
    const whole = { allOf: config.allOf, anyOf: config.anyOf };
    const met = await judge(whole, found, { log: (record) => void log.push(record), now });
    return { text: 'ok', log, met };
  } catch (error) {
    if (!(error instanceof UnmetRequirements)) throw error;
    return { text: error.message, log, met: [] };
  }
}

async function isMet(requirement: SignatureRequirement, ...signatures: Signature[]): Promise<boolean> {
  return (await verdict({ allOf: [requirement] }, evidence(...signatures))).text === 'ok';
}

test('keys of every type are met by their own signatures only', async (t) => {
  const signers = { alice, bob, carol, dave };
  for (const [name, signer] of Object.entries(signers)) {
    for (const [otherName, other] of Object.entries(signers)) {
      t.equal(
        await isMet(pubKey(signer), signature(other)),
        name === otherName,
        `${name} asked for, ${otherName} signed`,
      );
    }
  }
  t.equal(await isMet(pubKey(bob), signature(alice), signature(bob)), true, 'one of several signatures is enough');
});

test('allOf unmet: the text names each unmet requirement and ends with a line break', async (t) => {
  const { text } = await verdict(
    {
      allOf: [
        pubKey(alice),
        { ...pubKey(bob, { env: 'prod' }), owner: 'bob' } as SignatureRequirement,
        { kind: 'githubAction', owner: 'kubewarden', repo: undefined, annotations: undefined },
        {
          kind: 'genericIssuer',
          issuer: 'https://github.com/login/oauth',
          subject: { kind: 'equal', value: 'user1@provider.com' },
          annotations: undefined,
        },
      ],
    },
    evidence(signature(alice)),
  );
  const key = bob.pem.trim().replaceAll('\n', '\n  ');
  t.equal(
    text,
    `Image verification failed: missing signatures
The following constraints were not satisfied:
kind: pubKey
owner: bob
key: |
  ${key}
annotations:
  env: prod
kind: githubAction
owner: kubewarden
repo: null
annotations: null
kind: genericIssuer
issuer: https://github.com/login/oauth
subject: !equal user1@provider.com
annotations: null
`,
  );
});

test('anyOf counts the entries that are met', async (t) => {
  const signatures = [pubKey(alice), pubKey(bob), pubKey(carol)];
  const quorum = async (minimumMatches: number, ...found: Signature[]): Promise<string> =>
    (await verdict({ anyOf: { minimumMatches, signatures } }, evidence(...found))).text;
  t.equal(await quorum(1, signature(carol)), 'ok');
  t.equal(await quorum(2, signature(alice), signature(carol)), 'ok');
  t.equal(await quorum(0, signature(dave)), 'ok');
  const short = await quorum(2, signature(alice), signature(alice), signature(dave));
  t.ok(
    short.startsWith(
      'Image verification failed: minimum number of signatures not reached: needed 2, got 1\nThe following constraints were not satisfied:\nkind: pubKey\nowner: null\nkey: |\n',
    ),
    short,
  );
  t.equal(short.split('kind: pubKey').length - 1, 2, 'the met one is not listed');
  t.match(await quorum(4, signature(alice), signature(bob), signature(carol)), /needed 4, got 3\n.*satisfied:\n$/s);
  const twice = { minimumMatches: 2, signatures: [pubKey(alice), pubKey(alice)] };
  t.equal((await verdict({ anyOf: twice }, evidence(signature(alice)))).text, 'ok', 'entries, not signers');
});

test('both lists must hold, and neither means that nothing can', async (t) => {
  const both = { allOf: [pubKey(alice)], anyOf: { minimumMatches: 1, signatures: [pubKey(bob), pubKey(carol)] } };
  t.equal((await verdict(both, evidence(signature(alice), signature(carol)))).text, 'ok');
  t.match((await verdict(both, evidence(signature(carol)))).text, /missing signatures/);
  t.match(
    (await verdict(both, evidence(signature(alice)))).text,
    /minimum number of signatures not reached: needed 1, got 0/,
  );
  const met = (await verdict(both, evidence(signature(alice), signature(carol)))).met;
  t.match(met, [
    { list: 'allOf', requirement: both.allOf[0] },
    { list: 'anyOf', requirement: both.anyOf.signatures[1] },
  ]);
  await t.rejects(
    judge(parseVerificationConfig('', 'v'), evidence(signature(alice)), { log: () => {}, now: new Date() }),
    {
      code: 'verification-failed',
      message: 'Image verification failed: no signatures to verify',
    },
  );
});

test('annotations must be on the very signature that meets the requirement', async (t) => {
  const wanted = pubKey(alice, { env: 'prod', stable: 'true' });
  const annotations = new Map([
    ['env', 'prod'],
    ['stable', 'true'],
    ['more', 'does not matter'],
  ]);
  t.equal(await isMet(wanted, signature(alice, { annotations })), true);
  t.equal(await isMet(wanted, signature(alice), signature(alice, { annotations })), true, 'the second one has them');
  t.equal(await isMet(wanted, signature(alice), signature(bob, { annotations })), false, 'another signer has them');
  t.equal(await isMet(wanted, signature(alice)), false);
  t.equal(await isMet(pubKey(alice, {}), signature(alice)), true, 'none required');
  for (const [env, isExpected] of [
    ['prod', true],
    ['Prod', false],
    ['prod ', false],
    ['production', false],
    ['', false],
    ['.*', false],
  ] as const) {
    t.equal(await isMet(pubKey(alice, { env }), signature(alice, { annotations })), isExpected, JSON.stringify(env));
  }
  t.equal(await isMet(pubKey(alice, { env: 'p.*' }), signature(alice, { annotations })), false, 'no pattern');
  t.equal(await isMet(pubKey(alice, { toString: 'x' }), signature(alice, { annotations })), false);
  const long = signature(alice, { annotations: new Map([['env', 'x'.repeat(100_000)]]) });
  for (const { message, fields } of (await verdict({ allOf: [wanted] }, evidence(long))).log) {
    t.ok(message.length + JSON.stringify(fields ?? '').length < 1000, 'what a stranger wrote is cut short');
  }
  const { log } = await verdict(
    { allOf: [wanted] },
    evidence(signature(alice, { annotations: new Map([['env', 'dev']]) })),
  );
  t.match(
    log.find(({ level }) => level === 'info'),
    {
      target: 'policy_fetcher::verify',
      message: 'Annotation not satisfied',
      fields: { annotation: '"env"', expected: '"prod"', found: '"dev"' },
    },
  );
});

test('a key that cannot be used is met by nothing, and the log says why', async (t) => {
  const x25519 = signerOf(generateKeyPairSync('x25519'));
  const secp256k1 = signerOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }));
  const dsa = signerOf(generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }));
  const privatePem = alice.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const cases: [string, string][] = [
    ['empty', ''],
    ['text', 'cosign.pub'],
    ['no key inside', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['cut short', alice.pem.slice(0, 60)],
    ['a private key', privatePem],
    ['x25519', x25519.pem],
    ['secp256k1', secp256k1.pem],
    ['dsa', dsa.pem],
  ];
  for (const [name, pem] of cases) {
    const { text, log } = await verdict({ allOf: [pubKey({ ...alice, pem })] }, evidence(signature(alice)));
    t.match(text, /^Image verification failed: missing signatures\n/, name);
    t.match(log[0], { level: 'info', message: /^Cannot use a public key of the verification config: / }, name);
  }
  const commented = pubKey({ ...alice, pem: `the key of alice\n${alice.pem}` });
  t.equal(await isMet(commented, signature(alice)), true, 'text before the key');
  t.equal(
    await isMet(pubKey({ ...alice, pem: privatePem + alice.pem }), signature(alice)),
    false,
    'a private key first',
  );
  const rest = { minimumMatches: 1, signatures: [pubKey({ ...alice, pem: 'x' }), pubKey(alice)] };
  t.equal((await verdict({ anyOf: rest }, evidence(signature(alice)))).text, 'ok', 'the other entries count');
});

test('keyless requirements look at what was proven, and at nothing else', async (t) => {
  const issuer = 'https://accounts.example.com';
  const identity = { issuer, subject: { kind: 'email', value: 'a@example.com' }, githubRepository: undefined } as const;
  const wanted: SignatureRequirement = {
    kind: 'genericIssuer',
    issuer,
    subject: { kind: 'equal', value: 'a@example.com' },
    annotations: new Map([['env', 'prod']]),
  };
  const annotations = new Map([['env', 'prod']]);
  t.equal(await isMet(wanted, signature(alice, { identity, annotations })), true);
  t.equal(await isMet(wanted, signature(alice, { annotations })), false, 'no identity was proven');
  t.equal(await isMet(wanted, signature(alice, { identity }), signature(alice, { annotations })), false, 'two halves');
  t.equal(
    await isMet({ kind: 'githubAction', owner: 'o', repo: undefined, annotations: undefined }, signature(bob)),
    false,
  );
});

test('hundreds of keys leave the thread to others, and stop when nobody waits', async (t) => {
  const signatures = Array.from({ length: 64 }, () => signature(dave));
  const allOf = Array.from({ length: 300 }, () => pubKey(alice));
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  t.teardown(() => clearInterval(others));
  const options = { log: () => {}, now: new Date() };
  await t.rejects(judge({ allOf, anyOf: undefined }, evidence(...signatures), options), {
    code: 'verification-failed',
  });
  t.ok(turns > 0, `others had ${turns} turns`);
  const startMs = performance.now();
  const given = { ...options, signal: AbortSignal.timeout(30) };
  const many = Array.from({ length: 100_000 }, () => pubKey(alice));
  await t.rejects(judge({ allOf: many, anyOf: undefined }, evidence(...signatures), given), { name: 'TimeoutError' });
  t.ok(performance.now() - startMs < 5000);
});
