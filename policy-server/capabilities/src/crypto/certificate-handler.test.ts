import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { encodeUtf8, parseCapabilityPatterns } from '@portcullis/protocol';
import { test } from 'tap';
import { createCapabilities } from '../capabilities.ts';
import { RecordSession } from '../session/record.ts';
import { ReplaySession } from '../session/replay.ts';
import { formatSession, parseSession } from '../session/session-file.ts';
import { createCertificateHandler } from './certificate-handler.ts';
import { rfc3339Ms } from './rfc3339.ts';
import { ask, der, end, mid, pem, raw, reasonOf, root, UNTRUSTED } from './test/asking.ts';
import { authority, certificate, leaf, NOW, unknownExtension, usage } from './test/pki.ts';

test('without a chain, the public roots are the anchors', async (t) => {
  const direct = leaf({ subject: 'end', issuer: 'root' });
  const roots = [authority({ subject: 'another' }).pem, 'nonsense', root.pem];
  t.equal(await reasonOf({ cert: der(direct) }, { roots }), '');
  t.equal(await reasonOf({ cert: der(end) }, { roots }), UNTRUSTED, 'nobody adds intermediates');
  t.equal(await reasonOf({ cert: der(direct) }), UNTRUSTED);
  t.equal(await reasonOf({ cert: der(direct), cert_chain: [] }, { roots }), UNTRUSTED, 'an empty chain has no anchor');

  const [first = ''] = rootCertificates;
  t.equal(await reasonOf({ cert: pem(first) }), 'Certificate not trusted: CaUsedAsEndEntity');
  const mozilla = new X509Certificate(first);
  const [name = ''] = /CN=(.*)/.exec(mozilla.subject)?.slice(1) ?? [];
  t.equal(await reasonOf({ cert: der(leaf({ subject: 'end', issuer: name })) }), UNTRUSTED, 'a name is no signature');
});

test('an authority is no end entity', async (t) => {
  const request = { cert: der(mid), cert_chain: [der(root)] };
  t.same(
    await ask(request),
    new Map<string, unknown>([
      ['trusted', false],
      ['reason', 'Certificate not trusted: CaUsedAsEndEntity'],
    ]),
  );
  const expired = authority({ subject: 'mid', issuer: 'root', toDays: -1 });
  t.match(await reasonOf({ ...request, cert: der(expired) }), /after its expiration date$/);
});

test('not_after is the time of the verification', async (t) => {
  const at = (not_after?: string): Promise<string> =>
    reasonOf({ cert: der(end), cert_chain: [der(mid), der(root)], ...(not_after !== undefined && { not_after }) });
  t.equal(await at(), '');
  t.equal(await at(''), '');
  t.equal(await at('2030-06-05T00:00:00Z'), '');
  t.equal(await at('2030-06-21T14:00:00.999+02:00'), '', 'the last second');
  t.equal(await at('2030-06-21T14:00:01+02:00'), 'Certificate is being used after its expiration date');
  t.equal(await at('1969-01-01T00:00:00-23:59'), 'Certificate is being used before its validity date');
  for (const text of [
    'tomorrow',
    '2030-06-05',
    '2030-06-05T00:00:00',
    '2030-02-30T00:00:00Z',
    '2030-06-05T24:00:00Z',
    ' 2030-06-05T00:00:00Z',
    `2030-06-05T00:00:00.${'1'.repeat(99)}Z`,
  ])
    await t.rejects(
      at(text),
      { code: 'payload-invalid', message: 'Timestamp not_after is not in RFC3339 format' },
      text,
    );
  t.equal(rfc3339Ms('2016-12-31t23:59:60z'), Date.UTC(2016, 11, 31, 23, 59, 59));
  t.equal(rfc3339Ms('2030-01-01 00:00:00.5-01:30'), Date.UTC(2030, 0, 1, 1, 30, 0, 500));
  t.equal(rfc3339Ms('0001-01-01T00:00:00Z'), -62_135_596_800_000);
});

test('PEM: the first certificate of a text counts', async (t) => {
  const chain = [der(mid), der(root)];
  for (const text of [
    end.pem,
    `of us\n\n${end.pem}${root.pem}`,
    end.pem.replaceAll('\n', '\r\n'),
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${end.pem}`,
  ])
    t.equal(await reasonOf({ cert: pem(text), cert_chain: chain }), '');
  t.match(await reasonOf({ cert: pem(root.pem + end.pem), cert_chain: chain }), /CaUsedAsEndEntity/);
  t.equal(await reasonOf({ cert: der(end), cert_chain: [pem(mid.pem + root.pem)] }), '', 'the first is the anchor');
  const invalid = 'Certificate PEM data is not valid: ';
  for (const [text, reason] of [
    ['', 'no items found'],
    ['MIIB', 'no items found'],
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'no items found'],
    ['-----BEGIN CERTIFICATE-----\nAAAA', 'section end "-----END CERTIFICATE-----" missing'],
    [end.pem.replace('MII', 'M!I'), 'base64 decode error'],
  ] as const) {
    const refused = { code: 'payload-invalid', message: invalid + reason };
    await t.rejects(ask({ cert: pem(text), cert_chain: chain }), refused, text);
    await t.rejects(ask({ cert: der(end), cert_chain: [pem(text), der(root)] }), refused, `${text} in the chain`);
  }
  const startedMs = performance.now();
  await t.rejects(ask({ cert: pem('-----BEGIN CERTIFICATE-----\n'.repeat(4000)) }), { message: /^Certificate PEM/ });
  t.ok(performance.now() - startedMs < 1000);
});

test('what is no certificate is an error that says which', async (t) => {
  const invalid = 'Certificate is not a valid end-entity certificate: ';
  const chain = [der(root)];
  for (const [cert, problem] of [
    [raw(), 'BadDer'],
    [raw(1, 2, 3), 'BadDer'],
    [raw(...end.der, 0), 'BadDer'],
    [raw(...end.der.subarray(0, -1)), 'BadDer'],
    [raw(...Buffer.from(end.pem)), 'BadDer'],
    [der(certificate({ subject: 'end', extensions: [usage(1), usage(1)] })), 'BadDer'],
    [
      der(leaf({ subject: 'end', issuer: 'root', extensions: [unknownExtension(true)] })),
      'UnsupportedCriticalExtension',
    ],
  ] as const)
    await t.rejects(ask({ cert, cert_chain: chain }), { code: 'payload-invalid', message: invalid + problem });
  await t.rejects(ask({ cert: der(end), cert_chain: [der(mid), raw(1)] }), {
    message: 'Certificate is not a valid trust anchor: BadDer',
  });
  const odd = certificate({ subject: 'root', extensions: [unknownExtension(true)] });
  await t.rejects(ask({ cert: der(end), cert_chain: [der(odd)] }), {
    message: 'Certificate is not a valid trust anchor: UnsupportedCriticalExtension',
  });
  t.equal(
    await reasonOf({ cert: der(end), cert_chain: [raw(1), der(mid), der(root)] }),
    '',
    'an intermediate is an offer',
  );
  t.equal(await reasonOf({ cert: der(end), cert_chain: [raw(1), der(root)] }), 'Certificate not trusted: BadDer');
});

test('policies ask through the gate, and what they are told can be recorded and replayed', async (t) => {
  const handlers = { CryptoIsCertificateTrusted: createCertificateHandler({ now: () => NOW }) };
  const session = new RecordSession();
  const ask = async (
    payload: unknown,
    patterns: string[],
    calls = createCapabilities({ handlers, log() {}, session }),
  ) => {
    const context = {
      policyId: 'p',
      allowList: parseCapabilityPatterns(patterns),
      contextAwareResources: [],
      signal: new AbortController().signal,
    };
    const operation = { binding: 'kubewarden', namespace: 'crypto', operation: 'v1/is_certificate_trusted' };
    return Buffer.from(await calls({ ...operation, payload: encodeUtf8(JSON.stringify(payload)) }, context)).toString();
  };
  const trusted = { cert: der(end), cert_chain: [pem(mid.pem), der(root)], not_after: null };
  const everything = { cert: der(end), cert_chain: null };
  const garbage = { cert: pem('x'), not_after: '' };
  const denied =
    "Policy has not been granted access to the 'crypto/v1/is_certificate_trusted' host capability. The violation has been reported.";
  await t.rejects(ask(trusted, ['oci/*', 'net/*']), { message: denied });
  for (const patterns of [['crypto/*'], ['crypto/v1/*'], ['crypto/v1/is_certificate_trusted'], ['*']])
    t.equal(await ask(trusted, patterns), '{"trusted":true,"reason":""}');
  t.equal(await ask(everything, ['crypto/*']), `{"trusted":false,"reason":"${UNTRUSTED}"}`);
  const noItems = { message: 'Callback evaluation failure: Certificate PEM data is not valid: no items found' };
  await t.rejects(ask(garbage, ['crypto/*']), noItems);
  await t.rejects(ask({ cert: { encoding: 'Pfx', data: [] } }, ['crypto/*']), { message: /unknown variant `Pfx`/ });

  const text = formatSession(session.exchanges);
  t.match(text, '!CryptoIsCertificateTrusted');
  const replayed = createCapabilities({
    handlers: {},
    log() {},
    session: new ReplaySession(parseSession(text, 'session.yml')),
  });
  for (let i = 0; i < 4; i++) t.equal(await ask(trusted, ['crypto/*'], replayed), '{"trusted":true,"reason":""}');
  await t.rejects(ask(trusted, ['net/*'], replayed), { message: denied }, 'the gate is before the recording');
  t.match(await ask(everything, ['crypto/*'], replayed), UNTRUSTED);
  await t.rejects(ask(garbage, ['crypto/*'], replayed), noItems);
  await t.rejects(ask(garbage, ['crypto/*'], replayed), /the list of recorded responses is empty/);
});
