import { test } from 'tap';
import { collected } from './test/collected.ts';
import { TestImage } from './test/test-image.ts';
import { keySignedBundle, signStatement } from './test/test-signatures.ts';
import { newKeys } from './test/test-sigstore.ts';

const image = new TestImage();
const statement = signStatement(image.digest);
/** Keys are judged without. */
const trustRoot = { trustRoot: () => Promise.reject(new Error('nobody needs a trust root for a key')) };

test('statements that are no signature of this image alone are left out', async (t) => {
  const keys = newKeys();
  const other = `sha256:${'0'.repeat(64)}`;
  const text = statement.toString();
  const cases: Record<string, [Buffer, RegExp]> = {
    'another image': [signStatement(other), /the signature is of "0+", not of sha256/],
    'an attestation': [
      signStatement(image.digest, { predicateType: 'https://slsa.dev/provenance/v1' }),
      /attestation of type "https:\/\/slsa.dev\/provenance\/v1", not a signature/,
    ],
    'two subjects': [signStatement(image.digest, { digests: [image.digest, other] }), /2 subjects/],
    'no subject': [signStatement(image.digest, { digests: [] }), /0 subjects/],
    'another kind of statement': [
      signStatement(image.digest, { type: 'https://x/Statement/v9' }),
      /expected an in-toto/,
    ],
    'two subject lists': [Buffer.from(text.replace('"subject"', '"subject":[],"subject"')), /duplicate field/],
    'two predicate types': [
      Buffer.from(text.replace('"predicateType"', '"predicateType":"x","predicateType"')),
      /duplicate field/,
    ],
    'a digest of another kind': [Buffer.from(text.replace('"sha256"', '"sha512"')), /no digest of that kind/],
    'no statement': [Buffer.from('[]'), /no in-toto statement/],
  };
  for (const [name, [payload, reason]] of Object.entries(cases)) {
    const result = await collected(new TestImage().refer([keySignedBundle(payload, keys)]), { trustRoot });
    t.same(result.signatures, [], name);
    t.match(result.rejected, [reason], name);
    t.match(result.logged, /^info Skipping signature sha256:/, name);
  }
});
