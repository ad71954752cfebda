import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryTarget } from '../registry/registry-target.ts';
import type { SigstoreIdentity } from '../sigstore/fulcio.ts';
import type { SigstoreServices } from '../sigstore/services.ts';
import { runCosign, runCosignOffline, withRegistryFlags } from './cosign.ts';
import { type CosignKeys, createCosignKeys } from './keys.ts';

/**
 * Where a signature goes:
 * - `bundle`: Sigstore bundle v0.3, found by the referrers API or its fallback tag; what cosign 3 does;
 * - `legacy`: layer of the tag `sha256-<hex>.sig`; what cosign 2 did;
 * - `legacy-referrer`: the same layer, in a manifest that refers to the image.
 */
export type SignatureFormat = 'bundle' | 'legacy' | 'legacy-referrer';

export interface Signing {
  /** `127.0.0.1:PORT/repository@sha256:…`. */
  readonly reference: string;
  readonly format: SignatureFormat;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Needed where the registry has TLS or credentials. */
  readonly registry?: RegistryTarget;
}

/**
 * Signs with a key; nothing is logged anywhere. Not for Ed25519: cosign 3 signs images with Ed25519ph, which it cannot verify
 * itself; sign those with `signPayload`.
 */
export async function signWithKey(signing: Signing & { readonly key: CosignKeys }): Promise<void> {
  await sign('sign', signing, ['--key', signing.key.privateKeyPath]);
}

export interface KeylessSigning extends Signing {
  readonly format: 'bundle' | 'legacy';
  readonly identity: SigstoreIdentity;
  /** Who issues the certificate and keeps the log. */
  readonly services: SigstoreServices;
  /** `sigstore.trustedRoot()`: cosign looks at what it got from the services. */
  readonly trustedRoot: string;
}

/** Signs without a key of one's own: the certificate is for an identity, and a log has seen the signature. */
export async function signKeyless(signing: KeylessSigning): Promise<void> {
  await inFolder(async (folder) => {
    const [config, root] = [join(folder, 'signing-config.json'), join(folder, 'trusted-root.json')];
    const token = join(folder, 'token');
    await writeFile(config, signing.services.signingConfig);
    await writeFile(root, signing.trustedRoot);
    const { url } = signing.services;
    const where =
      signing.format === 'bundle'
        ? ['--signing-config', config]
        : ['--use-signing-config=false', '--new-bundle-format=false', '--fulcio-url', url, '--rekor-url', url];
    // By file: given as it is, cosign would look at who signed it.
    await writeFile(token, signing.services.identityToken(signing.identity));
    const trust = ['--trusted-root', root, '--identity-token', token];
    await withRegistryFlags(signing.registry, async (flags) => {
      const given = ['--yes', ...where, ...trust, ...flags, ...annotationFlags(signing)];
      await runCosign(['sign', ...given, signing.reference]);
    });
  });
}

/** A certificate with its key and what leads to its root, all PEM; the chain starts at the issuer of `certificate`. */
export interface SigningCertificate {
  readonly certificate: string;
  readonly privateKey: string;
  readonly chain: readonly string[];
}

/** Signs with a certificate of one's own authority; nothing is logged anywhere. */
export async function signWithCertificate(signing: Signing & { readonly signer: SigningCertificate }): Promise<void> {
  await withSigner(signing.signer, async ({ keys, certificate, chain }) => {
    const flags = ['--key', keys.privateKeyPath, '--certificate', certificate];
    // With a chain, a v0.3 bundle would carry `x509CertificateChain`, which verifiers refuse.
    if (signing.format !== 'bundle') flags.push('--certificate-chain', chain);
    await sign('sign', signing, flags);
  });
}

export interface Attesting extends Signing {
  readonly key: CosignKeys;
  /** A predicate type of cosign (`custom`, `slsaprovenance1`, …) or a URI. */
  readonly type?: string;
  readonly predicate: unknown;
}

/** Attaches a signed statement about an image; never to be taken for a signature of the image. */
export async function attest(attesting: Attesting): Promise<void> {
  await inFolder(async (folder) => {
    const predicate = join(folder, 'predicate.json');
    await writeFile(predicate, JSON.stringify(attesting.predicate));
    const flags = [
      '--key',
      attesting.key.privateKeyPath,
      '--type',
      attesting.type ?? 'custom',
      '--predicate',
      predicate,
    ];
    await sign('attest', attesting, flags);
  });
}

async function sign(verb: 'sign' | 'attest', signing: Signing, flags: readonly string[]): Promise<void> {
  await withRegistryFlags(signing.registry, (registryFlags) =>
    runCosignOffline(
      (config) => [
        verb,
        '--yes',
        ...formatFlags(verb, signing.format, config),
        ...registryFlags,
        ...annotationFlags(signing),
        ...flags,
        signing.reference,
      ],
      signing.format === 'legacy-referrer' ? { COSIGN_EXPERIMENTAL: '1' } : {},
    ),
  );
}

function annotationFlags({ annotations = {} }: Signing): string[] {
  return Object.entries(annotations).flatMap(([name, value]) => ['-a', `${name}=${value}`]);
}

function formatFlags(verb: 'sign' | 'attest', format: SignatureFormat, signingConfig: string): string[] {
  if (format === 'bundle') return ['--signing-config', signingConfig];
  const flags = ['--use-signing-config=false', '--tlog-upload=false', '--new-bundle-format=false'];
  if (format === 'legacy-referrer' && verb === 'sign') flags.push('--registry-referrers-mode=oci-1-1');
  return flags;
}

interface SignerFiles {
  readonly keys: CosignKeys;
  readonly certificate: string;
  readonly chain: string;
}

async function withSigner(signer: SigningCertificate, use: (files: SignerFiles) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const files = { certificate: join(folder, 'leaf.crt'), chain: join(folder, 'chain.crt') };
    await writeFile(files.certificate, signer.certificate);
    await writeFile(files.chain, signer.chain.join('\n'));
    await use({ ...files, keys: await createCosignKeys(folder, { name: 'leaf', privateKey: signer.privateKey }) });
  });
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-signing-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
