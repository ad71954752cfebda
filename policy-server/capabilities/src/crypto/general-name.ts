import type { DerElement } from '@portcullis/artifact';

/** Tags of the choices of GeneralName (RFC 5280 §4.2.1.6) that have a meaning here. */
export const NAME_TAGS = { email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, address: 0x87 } as const;

/** A scheme, perhaps somebody, a host of letters, perhaps a port; a backslash is a slash to some readers. */
const URI_HOST = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/?#\\]*@)?([a-z0-9.-]+)(?::\d*)?(?:[/?#]|$)/;
const PRINTABLE = /^[\x21-\x7e]*$/;

/** Whether a host name, mailbox or URI lies within a constraint of its kind; undefined when that cannot be told. */
export function isWithinText(name: DerElement, constraint: DerElement, isExclusion: boolean): boolean | undefined {
  const [text, limit] = [textOf(name), textOf(constraint)];
  if (text === undefined || limit === undefined) return undefined;
  switch (name.tag) {
    case NAME_TAGS.dns:
      return isWithinDomain(text.toLowerCase(), limit.toLowerCase(), isExclusion);
    case NAME_TAGS.email:
      return isWithinMailboxes(text, limit);
    case NAME_TAGS.uri:
      return isWithinUris(text.toLowerCase(), limit.toLowerCase());
    default:
      return undefined;
  }
}

function textOf({ content }: DerElement): string | undefined {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
  return PRINTABLE.test(text) ? text : undefined;
}

/** `example.com` is the host and all below it, `.example.com` only those. */
function isWithinDomain(name: string, limit: string, isExclusion: boolean): boolean {
  const [host, domain] = [withoutDot(name), withoutDot(limit)];
  if (domain === '' || isBelow(host, domain)) return true;
  if (!domain.startsWith('.') && host === domain) return true;
  // A wildcard stands for one label: what it may name must not be excluded.
  return isExclusion && host.startsWith('*.') && domain.endsWith(host.slice(1));
}

function isWithinMailboxes(mailbox: string, limit: string): boolean | undefined {
  const at = mailbox.lastIndexOf('@');
  if (at === -1) return undefined;
  const host = mailbox.slice(at + 1).toLowerCase();
  const limitAt = limit.lastIndexOf('@');
  const domain = limit.slice(limitAt + 1).toLowerCase();
  if (limitAt !== -1) return host === domain && mailbox.slice(0, at) === limit.slice(0, limitAt);
  return domain.startsWith('.') ? isBelow(host, domain) : host === domain;
}

function isWithinUris(uri: string, limit: string): boolean | undefined {
  const host = URI_HOST.exec(uri)?.[1];
  // RFC 5280 §4.2.1.10: constraints of URIs are about hosts with a name.
  if (host === undefined || /^[\d.]+$/.test(host)) return undefined;
  return limit.startsWith('.') ? isBelow(withoutDot(host), limit) : withoutDot(host) === withoutDot(limit);
}

function isBelow(host: string, domain: string): boolean {
  const suffix = domain.startsWith('.') ? domain : `.${domain}`;
  return host.length > suffix.length && host.endsWith(suffix);
}

/** The root of all domains may be written out. */
function withoutDot(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
