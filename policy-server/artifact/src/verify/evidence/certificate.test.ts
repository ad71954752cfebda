import { X509Certificate } from 'node:crypto';
import { test } from 'tap';
import { messageOf, Utf8Error } from '@portcullis/protocol';
import { damage, randomFrom } from '@portcullis/testkit';
import { ArtifactError } from '../../errors.ts';
import { identityOf } from './certificate.ts';
import { readDer, readDerChildren, objectIdentifierText } from '../../der.ts';
import { der, extension, oid, sequence, utf8String } from './test/der-writer.ts';
import { newSigstore } from './test/test-sigstore.ts';

const FULCIO = '1.3.6.1.4.1.57264.1';
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const emailName = (text: string): Buffer => der(0x81, Buffer.from(text));
const uriName = (text: string): Buffer => der(0x86, Buffer.from(text));

interface Contents {
  readonly names?: readonly Buffer[];
  readonly usages?: readonly string[];
  readonly extensions?: readonly Buffer[];
}

/** As much of a certificate as its identity is read from. */
function certificateOf({
  names = [emailName('a@example.com')],
  usages = [CODE_SIGNING],
  extensions = [],
}: Contents): Buffer {
  const own = [
    ...(usages.length === 0 ? [] : [extension('2.5.29.37', sequence(...usages.map(oid)))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', sequence(...names), true)]),
  ];
  return sequence(sequence(der(0xa3, sequence(...own, ...extensions))));
}

const identify = (contents: Contents) => identityOf(certificateOf(contents));
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');

test('the identity is the first e-mail address or URI, other names are passed over', (t) => {
  const otherName = der(0xa0, oid('1.3.6.1.4.1.57264.1.7'), der(0xa0, utf8String('someone')));
  const dnsName = der(0x82, ascii('example.com'));
  const cases: [Buffer[], string, string][] = [
    [[emailName('a@example.com'), uriName('https://example.com')], 'email', 'a@example.com'],
    [[uriName('https://example.com'), emailName('a@example.com')], 'uri', 'https://example.com'],
    [[otherName, dnsName, uriName('https://example.com/a?b=c')], 'uri', 'https://example.com/a?b=c'],
  ];
  for (const [names, kind, value] of cases) t.same(identify({ names }).subject, { kind, value });
  for (const names of [
    [otherName],
    [dnsName],
    [emailName('')],
    [emailName('a@b\0.com')],
    [uriName('x\ny')],
    [emailName('é@x')],
  ]) {
    t.throws(() => identify({ names }), { code: 'verification-failed' });
  }
  t.throws(() => identify({ names: [uriName('x'.repeat(5000))] }), { message: /not printable/ });
  t.end();
});

test('issuer and repository come from the newer extensions, else from the older ones', (t) => {
  const issuerOf = (...extensions: Buffer[]): string | undefined => identify({ extensions }).issuer;
  t.equal(issuerOf(extension(`${FULCIO}.8`, utf8String('https://new'))), 'https://new');
  t.equal(issuerOf(extension(`${FULCIO}.1`, ascii('https://old'))), 'https://old');
  t.equal(issuerOf(), undefined);
  t.throws(() => issuerOf(extension(`${FULCIO}.8`, utf8String('a')), extension(`${FULCIO}.1`, ascii('b'))), {
    message: /two issuers/,
  });
  t.throws(() => issuerOf(extension(`${FULCIO}.1`, ascii('https://x\u001b[2J'))), { message: /not printable/ });
  t.throws(
    () => issuerOf(extension(`${FULCIO}.8`, ascii('https://bare'))),
    'a bare text in the place of an encoded one',
  );
  t.throws(() => issuerOf(extension(`${FULCIO}.1`, ascii('a')), extension(`${FULCIO}.1`, ascii('a'))), {
    message: /two extensions/,
  });
  const repositoryOf = (...extensions: Buffer[]): string | undefined => identify({ extensions }).githubRepository;
  const github = extension(`${FULCIO}.12`, utf8String('https://github.com/kubewarden/policies'));
  t.equal(repositoryOf(github), 'kubewarden/policies');
  t.equal(repositoryOf(extension(`${FULCIO}.5`, ascii('kubewarden/policies'))), 'kubewarden/policies');
  t.equal(repositoryOf(github, extension(`${FULCIO}.5`, ascii('kubewarden/policies'))), 'kubewarden/policies');
  t.equal(repositoryOf(extension(`${FULCIO}.12`, utf8String('https://gitlab.com/kubewarden/policies'))), undefined);
  t.equal(repositoryOf(extension(`${FULCIO}.12`, utf8String('https://github.com.evil.test/a/b'))), undefined);
  t.throws(() => repositoryOf(github, extension(`${FULCIO}.5`, ascii('someone/else'))), {
    message: /two repositories/,
  });
  t.end();
});

test('certificates that are for something else name nobody', (t) => {
  const cases: Record<string, [Contents, RegExp]> = {
    'for servers': [{ usages: ['1.3.6.1.5.5.7.3.1'] }, /not for signing code/],
    'for anything': [{ usages: ['2.5.29.37.0'] }, /not for signing code/],
    'for nothing in particular': [{ usages: [] }, /no extended key usage/],
    // RFC 6962 §3.1: a certificate with the poison was never meant to be used.
    poisoned: [
      { extensions: [extension('1.3.6.1.4.1.11129.2.4.3', der(0x05), true)] },
      /unknown critical extension 1.3.6.1.4.1.11129.2.4.3/,
    ],
    'without names': [{ names: [] }, /no subject alternative name/],
  };
  for (const [name, [contents, message]] of Object.entries(cases)) {
    t.throws(() => identify(contents), { code: 'verification-failed', message }, name);
  }
  const keyUsage = extension('2.5.29.15', der(0x03, Uint8Array.of(2, 0x04)));
  t.throws(() => identify({ extensions: [keyUsage] }), { message: /not for signatures/ });
  t.end();
});

test('DER is read strictly', (t) => {
  const refused: Record<string, number[]> = {
    nothing: [],
    'cut short': [0x30, 0x02, 0x05],
    'bytes after the end': [0x05, 0x00, 0x00],
    'indefinite length': [0x30, 0x80, 0x00, 0x00],
    'length with padding': [0x04, 0x81, 0x01, 0x00],
    'length with leading zeros': [0x04, 0x82, 0x00, 0x80],
    'length of five bytes': [0x04, 0x85, 0x01, 0x00, 0x00, 0x00, 0x00],
    'length beyond the end': [0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
    'long tag': [0x1f, 0x81, 0x01, 0x00],
  };
  for (const [name, bytes] of Object.entries(refused))
    t.throws(() => readDer(Uint8Array.from(bytes)), RangeError, name);
  const many = Buffer.concat(Array.from({ length: 600 }, () => Uint8Array.of(0x05, 0x00)));
  t.throws(() => readDerChildren({ tag: 0x30, content: many }), /more than 512/);
  const text = (...bytes: number[]): string => objectIdentifierText({ tag: 0x06, content: Uint8Array.from(bytes) });
  t.equal(objectIdentifierText(readDer(oid('1.3.6.1.4.1.57264.1.8'))), '1.3.6.1.4.1.57264.1.8');
  t.equal(text(0x88, 0x37, 0x03), '2.999.3');
  t.throws(() => text(), RangeError);
  t.throws(() => text(0x55, 0x80), RangeError, 'cut short');
  t.throws(() => text(0x55, 0x80, 0x01), RangeError, 'padding');
  t.throws(() => text(0x55, ...Array.from({ length: 12 }, () => 0xff), 0x01), RangeError, 'too large');
  t.end();
});

test('damaged certificates end in an error or in a name that is there, soon', async (t) => {
  const random = randomFrom(7);
  const sigstore = await newSigstore();
  const { certificate } = sigstore.certify({ names: [{ email: 'user@example.com' }, { uri: 'https://example.com' }] });
  const pieces = [Uint8Array.of(0x30, 0x80), Uint8Array.of(0x84, 0xff, 0xff, 0xff, 0xff), Uint8Array.of(0x06, 0x80)];
  const deadline = performance.now() + 1500;
  let read = 0;
  for (let run = 0; run < 1500 && performance.now() < deadline; run++) {
    const damaged = damage(certificate, random, pieces);
    try {
      const { subject } = identityOf(damaged);
      read++;
      if (!Buffer.from(damaged).includes(subject.value)) t.fail(`made up ${subject.value}`);
    } catch (error) {
      const isExpected = error instanceof ArtifactError || error instanceof RangeError || error instanceof Utf8Error;
      if (!isExpected) t.fail(messageOf(error));
    }
  }
  t.ok(read > 0 && new X509Certificate(certificate).raw.equals(certificate));
  let nested: Buffer = extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.3')));
  while (nested.length < 60_000) nested = sequence(nested);
  t.throws(() => identityOf(nested), { code: 'verification-failed' }, 'depth costs nothing');
});
