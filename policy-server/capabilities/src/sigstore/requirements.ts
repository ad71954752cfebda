import { parseUrlPrefix, type CertificateRequirement, type SignatureRequirement } from '@portcullis/artifact';
import type { VerifyV2Request } from '@portcullis/protocol';
import { CapabilityError } from '../errors.ts';

type Requirement = SignatureRequirement | CertificateRequirement;
type Request<T extends VerifyV2Request['type']> = Extract<VerifyV2Request, { type: T }>;

/**
 * What the signatures of the image must be, every one of them.
 *
 * @throws CapabilityError `payload-invalid` when nothing is asked for: that must not be answered with "trusted"
 */
export function requirementsOf(request: VerifyV2Request): readonly Requirement[] {
  switch (request.type) {
    case 'SigstorePubKeyVerify':
      return keys(request);
    case 'SigstoreKeylessVerify':
      return keyless(request);
    case 'SigstoreKeylessPrefixVerify':
      return keylessPrefix(request);
    case 'SigstoreGithubActionsVerify':
      return githubActions(request);
    case 'SigstoreCertificateVerify':
      return certificate(request);
  }
}

function keys({ pub_keys: pubKeys, annotations }: Request<'SigstorePubKeyVerify'>): Requirement[] {
  if (pubKeys.length === 0) throw refusal('Must provide at least one pub key');
  return pubKeys.map((key) => ({ kind: 'pubKey', owner: undefined, key, annotations }));
}

function keyless({ keyless: identities, annotations }: Request<'SigstoreKeylessVerify'>): Requirement[] {
  if (identities.length === 0) throw refusal('Must provide keyless info');
  return identities.map(({ issuer, subject }) => ({
    kind: 'genericIssuer',
    issuer,
    subject: { kind: 'equal', value: subject },
    annotations,
  }));
}

function keylessPrefix(request: Request<'SigstoreKeylessPrefixVerify'>): Requirement[] {
  const { keyless_prefix: prefixes, annotations } = request;
  if (prefixes.length === 0) throw refusal('Must provide keyless info');
  return prefixes.map(({ issuer, url_prefix: text }) => {
    const prefix = parseUrlPrefix(text);
    if (prefix.kind === 'refused') throw refusal(`Invalid url_prefix: ${prefix.reason}`);
    return { kind: 'genericIssuer', issuer, subject: { kind: 'urlPrefix', value: prefix.value }, annotations };
  });
}

function githubActions(request: Request<'SigstoreGithubActionsVerify'>): Requirement[] {
  const { owner, repo, annotations } = request;
  if (owner === '') throw refusal('Must provide owner info');
  return [{ kind: 'githubAction', owner, repo, annotations }];
}

function certificate(request: Request<'SigstoreCertificateVerify'>): Requirement[] {
  const { certificate_chain: chain, require_rekor_bundle: requireRekorBundle, annotations } = request;
  return [
    {
      kind: 'certificate',
      certificate: pemOf(request.certificate),
      chain: chain?.map(pemOf),
      requireRekorBundle,
      annotations,
    },
  ];
}

function pemOf(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('utf8');
}

function refusal(message: string): CapabilityError {
  return new CapabilityError('payload-invalid', message);
}
