import type {
  Certificate as WireCertificate,
  DnsLookupHostResponse,
  IsCertificateTrustedRequest,
  IsCertificateTrustedResponse,
} from '@portcullis/protocol';
import { createKubernetesHost } from './kubernetes.ts';
import type { KubernetesHost } from './kubernetes.ts';
import { createOciHost } from './oci.ts';
import type { OciHost } from './oci.ts';
import { encodeText } from './text.ts';
import { createHostCaller } from './transport.ts';
import type { HostTransport } from './transport.ts';

/** PEM text, or the bytes of a DER certificate. */
export type Certificate = string | readonly number[] | Uint8Array;

export interface CertificateQuestion {
  readonly certificate: Certificate;
  /** Intermediates first, root last. @default the public roots the host trusts */
  readonly chain?: readonly Certificate[];
  /** RFC 3339: the time to verify at. @default now */
  readonly at?: string;
}

export interface NetHost {
  /** The addresses of a host name. */
  lookupHost(host: string): string[];
}

export interface CryptoHost {
  /** Whether a certificate chains up to a trusted root; `reason` says why not. */
  isCertificateTrusted(question: CertificateQuestion): IsCertificateTrustedResponse;
}

/**
 * Everything a policy can ask of its host. Each call needs the capability in the policy's `hostCapabilities`; a call that the host
 * refuses or fails throws `HostCallError` with the host's text.
 */
export interface HostClient {
  readonly kubernetes: KubernetesHost;
  readonly oci: OciHost;
  readonly net: NetHost;
  readonly crypto: CryptoHost;
}

export function createHostClient(transport: HostTransport): HostClient {
  const call = createHostCaller(transport);
  return {
    kubernetes: createKubernetesHost(call),
    oci: createOciHost(call),
    net: { lookupHost: (host) => (call('net', 'v1/dns_lookup_host', host) as DnsLookupHostResponse).ips },
    crypto: {
      isCertificateTrusted: ({ certificate, chain, at }) =>
        call('crypto', 'v1/is_certificate_trusted', {
          cert: wireCertificate(certificate),
          // The host takes an empty list for "trust nothing"; without a chain it uses the public roots.
          ...(chain && { cert_chain: chain.map(wireCertificate) }),
          not_after: at ?? '',
        } satisfies IsCertificateTrustedRequest) as IsCertificateTrustedResponse,
    },
  };
}

function wireCertificate(certificate: Certificate): WireCertificate {
  return typeof certificate === 'string'
    ? { encoding: 'Pem', data: encodeText(certificate) }
    : { encoding: 'Der', data: [...certificate] };
}
