import { once } from '@portcullis/artifact';
import type { CapabilityHandler } from './backend.ts';
import type { CertificateOptions } from './crypto/certificate-handler.ts';
import type { RegistryCapabilities, RegistryCapabilitiesOptions } from './registry-capabilities.ts';

// Loaded when a policy first asks: most policies ask for none of it, and every start of a command line would wait for it.

/** Makes the handler of `crypto/v1/is_certificate_trusted`. */
export function createCertificateHandler(
  options: CertificateOptions = {},
): CapabilityHandler<'CryptoIsCertificateTrusted'> {
  const open = once(async () => (await import('./crypto/certificate-handler.ts')).createCertificateHandler(options));
  return async (...given) => (await open())(...given);
}

/** Makes the handlers of `oci/*`, over one cache that all policies share. */
export function createRegistryCapabilities(options: RegistryCapabilitiesOptions): RegistryCapabilities {
  const resources = new DisposableStack();
  const handlers = once(async () => {
    const { createRegistryCapabilities: create } = await import('./registry-capabilities.ts');
    return resources.use(create(options)).handlers;
  });
  return {
    handlers: {
      OciManifest: async (...given) => (await handlers()).OciManifest(...given),
      OciManifestAndConfig: async (...given) => (await handlers()).OciManifestAndConfig(...given),
      OciManifestDigest: async (...given) => (await handlers()).OciManifestDigest(...given),
      SigstoreCertificateVerify: async (...given) => (await handlers()).SigstoreCertificateVerify(...given),
      SigstoreGithubActionsVerify: async (...given) => (await handlers()).SigstoreGithubActionsVerify(...given),
      SigstoreKeylessPrefixVerify: async (...given) => (await handlers()).SigstoreKeylessPrefixVerify(...given),
      SigstoreKeylessVerify: async (...given) => (await handlers()).SigstoreKeylessVerify(...given),
      SigstorePubKeyVerify: async (...given) => (await handlers()).SigstorePubKeyVerify(...given),
    },
    [Symbol.dispose]: () => resources.dispose(),
  };
}
