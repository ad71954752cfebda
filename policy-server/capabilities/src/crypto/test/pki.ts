import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate, der, runCommand, sequence, type Extension } from '@portcullis/testkit';

/** A pair of keys; the same name is the same pair. */
export interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const KINDS = {
  ec: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  k1: () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  ed25519: () => generateKeyPairSync('ed25519'),
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  rsa1024: () => generateKeyPairSync('rsa', { modulusLength: 1024 }),
};
const made = new Map<string, Keys>();

/** `rsa:root` is an RSA key, of an authority called root; without a kind it is an EC key. */
function keysOf(name: string): Keys {
  const [kind = ''] = name.split(':');
  const keys = made.get(name) ?? (Object.hasOwn(KINDS, kind) ? KINDS[kind as keyof typeof KINDS] : KINDS.ec)();
  made.set(name, keys);
  return keys;
}

export const NOW = new Date('2030-06-01T12:00:00Z');
const DAY_MS = 86_400_000;

export interface Wanted {
  readonly subject: string;
  /** @default the subject: it signs itself */
  readonly issuer?: string;
  /** Names of keys. @default those of the names */
  readonly key?: string;
  readonly signingKey?: string;
  /** Days from now. @default from ten days ago for thirty days */
  readonly fromDays?: number;
  readonly toDays?: number;
  readonly extensions?: readonly Extension[];
}

export interface Made {
  readonly der: Buffer;
  readonly pem: string;
  readonly tbs: Buffer;
}

export function certificate(wanted: Wanted): Made {
  const { subject, issuer = subject, fromDays = -10, toDays = 20, extensions = [] } = wanted;
  return createCertificate({
    subject,
    issuer,
    publicKey: keysOf(wanted.key ?? subject).publicKey,
    signingKey: keysOf(wanted.signingKey ?? issuer).privateKey,
    notBefore: new Date(NOW.getTime() + fromDays * DAY_MS),
    notAfter: new Date(NOW.getTime() + toDays * DAY_MS),
    extensions,
  });
}

/** A certificate of an authority. */
export function authority(wanted: Wanted, maxPathLength?: number): Made {
  const extensions = [constraints(true, maxPathLength), usage(0x06), ...(wanted.extensions ?? [])];
  return certificate({ ...wanted, extensions });
}

/** A certificate of one that is no authority. */
export function leaf(wanted: Wanted): Made {
  const extensions = [constraints(false), usage(0x80), ...(wanted.extensions ?? [])];
  return certificate({ ...wanted, extensions });
}

/** Basic constraints. */
export function constraints(isAuthority: boolean, maxPathLength?: number): Extension {
  const length = maxPathLength === undefined ? [] : [der(0x02, Buffer.from([maxPathLength]))];
  const parts = isAuthority ? [der(0x01, Buffer.from([0xff])), ...length] : [];
  return { oid: '2.5.29.19', critical: true, value: sequence(...parts) };
}

/** Key usage: its first byte. */
export function usage(bits: number): Extension {
  return { oid: '2.5.29.15', critical: true, value: der(0x03, Buffer.from([0, bits])) };
}

/** A general name: `dns:…`, `email:…`, `uri:…`, `ip:` with hexadecimal digits, `dn:` with a common name, `rid:`. */
function generalName(text: string): Buffer {
  const at = text.indexOf(':');
  const value = text.slice(at + 1);
  switch (text.slice(0, at)) {
    case 'ip':
      return der(0x87, Buffer.from(value, 'hex'));
    case 'dn':
      return der(0xa4, directoryName(value));
    case 'rid':
      return der(0x88, Buffer.from(value, 'hex'));
    default:
      return der({ email: 0x81, dns: 0x82, uri: 0x86 }[text.slice(0, at)] ?? 0, Buffer.from(value));
  }
}

/** The organization of every certificate here, spelled as PrintableString and as asked for, before a common name if there is one. */
function directoryName(value: string): Buffer {
  const [organization = '', commonName] = value.split('/');
  const attribute = (oid: string, tag: number, text: string): Buffer =>
    der(0x31, sequence(der(0x06, Buffer.from(oid, 'hex')), der(tag, Buffer.from(text))));
  const common = commonName === undefined ? [] : [attribute('550403', 0x0c, commonName)];
  return sequence(attribute('55040a', 0x13, organization), ...common);
}

export function alternativeNames(...names: readonly string[]): Extension {
  return { oid: '2.5.29.17', value: sequence(...names.map(generalName)) };
}

/** Name constraints: `+dns:…` is permitted, `-dns:…` excluded. */
export function nameConstraints(...limits: readonly string[]): Extension {
  const of = (sign: string, tag: number): Buffer[] => {
    const bases = limits
      .filter((limit) => limit.startsWith(sign))
      .map((limit) => sequence(generalName(limit.slice(1))));
    return bases.length === 0 ? [] : [der(tag, ...bases)];
  };
  return { oid: '2.5.29.30', critical: true, value: sequence(...of('+', 0xa0), ...of('-', 0xa1)) };
}

/** An extension that nobody knows. */
export function unknownExtension(critical: boolean): Extension {
  return { oid: '1.2.3.4', critical, value: Buffer.from([5, 0]) };
}

/** What the real openssl says: undefined when it verifies, else its words. The last of `chain` is its only anchor. */
export async function opensslVerdict(end: Made, chain: readonly Made[], at = NOW): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'crypto-'));
  try {
    const untrusted = chain.slice(0, -1).map(({ pem }) => pem);
    const files = { leaf: end.pem, anchor: chain.at(-1)?.pem ?? '', untrusted: untrusted.join('') };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const seconds = String(Math.floor(at.getTime() / 1000));
    const others = untrusted.length === 0 ? [] : ['-untrusted', 'untrusted'];
    const strictness = ['-partial_chain', '-auth_level', '2', '-attime', seconds];
    await runCommand('openssl', ['verify', ...strictness, '-trusted', 'anchor', ...others, 'leaf'], { cwd: folder });
    return undefined;
  } catch (error) {
    return String(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A certificate the way `openssl x509 -req` makes it: of version 1 without extensions, with signatures others do not make. */
export async function opensslSigned(
  subject: string,
  { issuer, signer, options }: { readonly issuer: Made; readonly signer: string; readonly options: readonly string[] },
): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), 'crypto-'));
  const openssl = (...args: string[]): Promise<string> => runCommand('openssl', args, { cwd: folder });
  const pemOf = (name: string): string => keysOf(name).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  try {
    const files = { 'own.key': pemOf(subject), 'ca.key': pemOf(signer), 'ca.crt': issuer.pem };
    const extensions = 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n';
    for (const [name, text] of Object.entries({ ...files, extensions })) await writeFile(join(folder, name), text);
    await openssl('req', '-new', '-key', 'own.key', '-subj', `/O=portcullis.test/CN=${subject}`, '-out', 'own.csr');
    const from = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '20000', ...options];
    await openssl('x509', '-req', '-in', 'own.csr', ...from, '-out', 'own.crt');
    const pem = await openssl('x509', '-in', 'own.crt');
    const base64 = pem.replace(/-----[^-]*-----|\s/g, '');
    return { pem, der: Buffer.from(base64, 'base64'), tbs: Buffer.alloc(0) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
