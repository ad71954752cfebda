import { generateKeyPairSync } from 'node:crypto';
import { test } from 'tap';
import type { BundleOptions } from '@portcullis/testkit';
import { collected, type Collected } from './test/collected.ts';
import { TestImage } from './test/test-image.ts';
import { BUNDLE_V03 } from './test/test-signatures.ts';
import { MINUTE_MS, newSigstore, USER, type RootOptions } from './test/test-sigstore.ts';

// The second generation of Rekor promises nothing and knows no time: a time stamping authority says when something was signed.

const sigstore = await newSigstore();
const { services } = sigstore;
const { digest } = new TestImage();
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
/** The authority goes by the machine's clock. */
const signer = services.issue(USER, { notBefore: new Date(Date.now() - MINUTE_MS) });

const sign = (options: BundleOptions = {}, by = signer): Promise<string> =>
  services.signBundle(digest, by, { rekorV2: true, timestamp: true, ...options });

const collect = (bundle: string, root?: RootOptions): Promise<Collected> =>
  collected(new TestImage().refer([{ mediaType: BUNDLE_V03, bytes: Buffer.from(bundle) }]), {
    trustRoot: sigstore.source(root),
  });

test('an entry of the second generation and a time stamp prove who made a signature', async (t) => {
  const { signatures, rejected } = await collect(await sign());
  t.same(rejected, []);
  t.match(signatures, [{ identity: { issuer: USER.issuer, subject: { value: USER.email } } }]);
  t.equal(signatures[0]?.integratedTimeMs, undefined, 'the log says nothing about the time');
  const bare = await collect(await services.signBundle(digest, { privateKey: signer.privateKey }, { rekorV2: true }));
  t.match(bare.signatures, [{ identity: undefined, integratedTimeMs: undefined }], 'a bare key needs no time');
});

test('time stamps that do not hold give no identity', async (t) => {
  const made = await sign();
  const stampOf = (bundle: string): string => /"signedTimestamp":"([^"]+)"/.exec(bundle)?.[1] ?? '';
  const cases: Record<string, [Collected, RegExp]> = {
    'none at all': [await collect(await sign({ timestamp: false })), /expected 1 timestamps, got 0/],
    'of another signature': [
      await collect(made.replace(stampOf(made), stampOf(await sign()))),
      /timestamp could not be verified/,
    ],
    'of an authority nobody knows': [
      await collect(made, { without: ['timestampAuthorities'] }),
      /timestamp could not be verified/,
    ],
    'of a time when the certificate had expired': [await collect(await sign({}, services.issue(USER))), /expired/],
  };
  for (const [name, [{ signatures, logged }, reason]] of Object.entries(cases)) {
    t.equal(signatures.length, 1, name);
    t.equal(signatures[0]?.identity, undefined, name);
    t.match(logged, reason, name);
  }
});

test('entries of the second generation that do not hold, or speak of another signature, drop the bundle', async (t) => {
  const other = services.issue(USER).certificate.pem;
  const cases: Record<string, [BundleOptions, RegExp]> = {
    'another signature': [{ entry: { about: { signature: Buffer.from('another') } } }, /signature mismatch/],
    'another payload': [{ entry: { about: { payload: Buffer.from('another') } } }, /digest mismatch/],
    'another certificate': [{ entry: { about: { verifier: other } } }, /another key/],
    'a tree that somebody else signed': [{ entry: { signingKey: stranger } }, /checkpoint signature/],
    'a signature by another key': [{ signingKey: stranger }, /signature verification failed/],
  };
  for (const [name, [options, reason]] of Object.entries(cases)) {
    const { signatures, rejected } = await collect(await sign(options));
    t.same(signatures, [], name);
    t.match(rejected, [reason], name);
  }
});
