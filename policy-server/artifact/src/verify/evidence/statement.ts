import { any, list, map, messageOf, optional, readAs, required, string, struct } from '@portcullis/protocol';
import { signedTexts } from './signed-texts.ts';
import { quoted, unproven } from './unproven.ts';

export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPES: readonly string[] = ['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'];
/** What `cosign sign` claims: no more than that the image was signed. */
export const SIGN_PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1';

const statementShape = struct('an in-toto statement', {
  _type: required(string),
  predicateType: required(string),
  subject: required(list(struct('a subject', { digest: required(map(string)), annotations: optional(map(any)) }))),
});

/**
 * Reads the statement of a signature and returns what was signed along with the digest. An attestation (of a build, of
 * contents) is about the image too, but nobody who made one has thereby signed the image.
 *
 * @throws ArtifactError `verification-failed` when the statement is no signature of `digest` alone
 */
export function readSignStatement(payload: Uint8Array, digest: string): ReadonlyMap<string, string> {
  let statement: ReturnType<typeof statementShape.read>;
  try {
    statement = readAs(statementShape, payload);
  } catch (error) {
    throw unproven(`the payload is no in-toto statement: ${messageOf(error)}`, error);
  }
  const { _type: type, predicateType, subject: subjects } = statement;
  if (!STATEMENT_TYPES.includes(type))
    throw unproven(`the payload is a ${quoted(type)}, expected an in-toto statement`);
  if (predicateType !== SIGN_PREDICATE_TYPE) {
    throw unproven(`it is an attestation of type ${quoted(predicateType)}, not a signature`);
  }
  const [subject] = subjects;
  if (subject === undefined || subjects.length > 1) {
    throw unproven(`the statement has ${subjects.length} subjects, expected one`);
  }
  const [algorithm = '', hex] = digest.split(':');
  const signed = subject.digest.get(algorithm);
  if (hex === undefined || signed !== hex) {
    throw unproven(`the signature is of ${quoted(signed ?? 'no digest of that kind')}, not of ${digest}`);
  }
  return signedTexts(subject.annotations ?? new Map());
}
