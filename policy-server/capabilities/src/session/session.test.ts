import { decodeUtf8, parseJson } from '@portcullis/protocol';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { createBackend } from '../backend.ts';
import { CapabilityError } from '../errors.ts';
import type { CapabilityRequest } from '../request.ts';
import { debugRequest, debugString } from './debug-text.ts';
import { RecordSession } from './record.ts';
import { ReplaySession } from './replay.ts';
import { formatRequest, parseRequest } from './request-text.ts';
import { formatSession, parseSession, type Exchange } from './session-file.ts';

const GET: CapabilityRequest = {
  type: 'KubernetesGetResource',
  api_version: 'v1',
  kind: 'Namespace',
  name: 'test-policy',
  disable_cache: false,
};

const SESSION = `- type: Exchange
  request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: test-policy
    namespace: null
    disable_cache: false
    field_masks: null
  response:
    type: Success
    payload: '{"metadata":{"name":"test-policy"}}'
- type: Exchange
  request: |
    !KubernetesListResourceAll
    api_version: v1
    kind: Service
    label_selector: null
    field_selector: null
    field_masks:
    - metadata.name
    - spec.type
  response:
    type: Error
    message: Cannot find v1/Service
- type: Exchange
  request: |
    !KubernetesCanI
    request:
      groups:
      - system:authenticated
      resource_attributes:
        group: null
        name: null
        namespace: default
        resource: pods
        subresource: null
        verb: get
        version: null
      user: alice
    disable_cache: true
  response:
    type: Success
    payload: '{"allowed":true}'
`;

const EXCHANGES: Exchange[] = [
  { request: GET, response: { type: 'Success', payload: '{"metadata":{"name":"test-policy"}}' } },
  {
    request: {
      type: 'KubernetesListResourceAll',
      api_version: 'v1',
      kind: 'Service',
      field_masks: ['spec.type', 'metadata.name', 'spec.type'],
    },
    response: { type: 'Error', message: 'Cannot find v1/Service' },
  },
  {
    request: {
      type: 'KubernetesCanI',
      request: {
        user: 'alice',
        groups: ['system:authenticated'],
        resource_attributes: { verb: 'get', resource: 'pods', namespace: 'default' },
      },
      disable_cache: true,
    },
    response: { type: 'Success', payload: '{"allowed":true}' },
  },
];

test('a session is written byte for byte as authors know it', async (t) => {
  t.equal(formatSession(EXCHANGES), SESSION);
  t.equal(formatSession([]), '[]\n');
  t.equal(formatSession(parseSession(SESSION, 'f')), SESSION);
});

test('every request survives writing and reading', async (t) => {
  const requests: CapabilityRequest[] = [
    { type: 'OciManifestDigest', image: 'ghcr.io/a/b:1' },
    { type: 'OciManifest', image: '123' },
    { type: 'OciManifestAndConfig', image: 'true' },
    {
      type: 'SigstorePubKeyVerify',
      image: 'i',
      pub_keys: ['-----BEGIN\nabc\n-----END\n'],
      annotations: new Map([
        ['b', '1'],
        ['a', 'null'],
      ]),
    },
    { type: 'SigstoreKeylessVerify', image: 'i', keyless: [{ issuer: 'x', subject: 'y' }] },
    { type: 'SigstoreKeylessPrefixVerify', image: 'i', keyless_prefix: [{ issuer: 'x', url_prefix: 'https://y/' }] },
    { type: 'SigstoreGithubActionsVerify', image: 'i', owner: 'o', repo: 'r' },
    {
      type: 'SigstoreCertificateVerify',
      image: 'i',
      certificate: [1, 255],
      certificate_chain: [[0], []],
      require_rekor_bundle: true,
    },
    { type: 'DNSLookupHost', host: 'example.com' },
    {
      type: 'KubernetesListResourceNamespace',
      api_version: 'v1',
      kind: 'Pod',
      namespace: 'n',
      label_selector: 'a=b, c',
    },
    { type: 'KubernetesGetResourcePluralName', api_version: 'v1', kind: 'Pod' },
    {
      type: 'HasKubernetesListResourceAllResultChangedSinceInstant',
      api_version: 'v1',
      kind: 'Pod',
      since: { secs: 1, nanos: 2 },
    },
    {
      type: 'CryptoIsCertificateTrusted',
      request: { cert: { encoding: 'Pem', data: [45] }, cert_chain: [], not_after: '' },
    },
    ...EXCHANGES.map(({ request }) => request),
  ];
  for (const request of requests) {
    const text = formatRequest(request);
    t.equal(formatRequest(parseRequest(text)), text, request.type);
  }
});

test('old sessions lack members; unknown keys and the type of items do not count', async (t) => {
  const text =
    '- request: "!KubernetesGetResource {api_version: v1, kind: Namespace, name: 7, disable_cache: false, new: 1}"\n  response: {type: Success, payload: 12, x: y}\n  more: {}\n';
  t.same(parseSession(text, 'f'), [{ request: { ...GET, name: '7' }, response: { type: 'Success', payload: '12' } }]);
  t.same(parseSession('', 'f'), []);
  t.same(parseSession('# nothing\n', 'f'), []);
});

test('a broken session names the file, the exchange and what is wrong', async (t) => {
  const item = (request: string, response = '{type: Success, payload: x}'): string =>
    `- request: ok\n`.replace('ok', JSON.stringify(request)) + `  response: ${response}\n`;
  const get = '!KubernetesGetResource\napi_version: v1\nkind: Pod\nname: x\n';
  for (const [text, message] of [
    ['a: 1', /^cannot use the recorded session s\.yml: expected a list/],
    ['- 1', /s\.yml: exchange 1: expected a map/],
    ['- {response: {type: Success}}', /exchange 1: missing field `request`/],
    [item('kind: Pod'), /exchange 1: request: expected a tag/],
    [item('!Nope {}'), /request: unknown variant `Nope`, expected one of/],
    [item(get), /request: missing field `disable_cache`/],
    [item(`${get}disable_cache: false`, '{type: Maybe}'), /response\.type: unknown variant `Maybe`/],
    [item(`${get}disable_cache: false`, '{type: Success}'), /missing field `payload`/],
    [SESSION + item(get), /exchange 4: request/],
    ['[1', /s\.yml: .*at line 1/],
    ['- a\n---\n- b', /more than one document/],
  ] as const) {
    t.throws(() => parseSession(text, 's.yml'), { name: 'CapabilityError', code: 'session-invalid', message }, text);
  }
});

test('replay: in order, each request equal to the recorded one', async (t) => {
  const session = new ReplaySession(parseSession(SESSION, 'f'));
  t.equal(decodeUtf8(await session.exchange(GET)), '{"metadata":{"name":"test-policy"}}');
  const masks: CapabilityRequest = {
    type: 'KubernetesListResourceAll',
    api_version: 'v1',
    kind: 'Service',
    field_masks: ['metadata.name', 'spec.type'],
  };
  await t.rejects(session.exchange(masks), { message: 'Cannot find v1/Service' });
  t.equal(session.remaining.length, 1);
  await t.rejects(session.exchange({ ...GET, namespace: 'a"b' }), {
    message:
      'Replay error: unexpected request. Was expecting KubernetesCanI { request: SubjectAccessReview { groups: Some(["system:authenticated"]), resource_attributes: ResourceAttributes { group: None, name: None, namespace: Some("default"), resource: "pods", subresource: None, verb: "get", version: None }, user: "alice" }, disable_cache: true }, got KubernetesGetResource { api_version: "v1", kind: "Namespace", name: "test-policy", namespace: Some("a\\"b"), disable_cache: false, field_masks: None } instead',
  });
  await t.rejects(session.exchange(GET), { message: 'the list of recorded responses is empty' });
  t.same(session.remaining, []);
});

test('requests print as in Rust', async (t) => {
  t.equal(
    debugRequest({ type: 'SigstorePubKeyVerify', image: 'i', pub_keys: [], annotations: new Map([['k', 'v']]) }),
    'SigstorePubKeyVerify { image: "i", pub_keys: [], annotations: Some({"k": "v"}) }',
  );
  t.equal(
    debugRequest({ type: 'CryptoIsCertificateTrusted', request: { cert: { encoding: 'Pem', data: [1, 2] } } }),
    'CryptoIsCertificateTrusted { request: CertificateVerificationRequest { cert: Certificate { encoding: Pem, data: [1, 2] }, cert_chain: None, not_after: None } }',
  );
  t.match(debugRequest(EXCHANGES[1]?.request ?? GET), /field_masks: Some\(\{"metadata\.name", "spec\.type"\}\)/);
  t.equal(debugString('a"\\\n\t\0\u0007é\u200b'), String.raw`"a\"\\\n\t\0\u{7}é\u{200b}"`);
});

test('what is recorded replays to the same answers', async (t) => {
  const backend = createBackend({
    KubernetesGetResource: async () => parseJson('{"a":9007199254740993}'),
    DNSLookupHost: async () => {
      throw new Error('cannot look up', { cause: new Error('no such host') });
    },
  });
  const context = { policyId: 'p', signal: new AbortController().signal };
  const record = new RecordSession();
  const dns: CapabilityRequest = { type: 'DNSLookupHost', host: 'x' };
  const first = await record.exchange(GET, async () => backend(GET, context));
  await t.rejects(
    record.exchange(dns, async () => backend(dns, context)),
    { message: 'cannot look up' },
  );

  const replay = new ReplaySession(parseSession(formatSession(record.exchanges), 'f'));
  t.same(await replay.exchange(GET), first);
  await t.rejects(replay.exchange(dns), { message: 'cannot look up\n\nCaused by:\n    no such host' });
});

test('200 damaged session files: read or refused, nothing else', async (t) => {
  const random = randomFrom(42);
  let refused = 0;
  for (let round = 0; round < 200; round++) {
    let text = SESSION;
    for (let edit = 0; edit <= random(3); edit++) {
      const at = random(text.length);
      const inserted =
        ['', '\n', ' ', ':', '- ', '!', '&a ', '*a', '"', "'", '\t', '{', ']', '\u0000', '---\n'][random(15)] ?? '';
      text = text.slice(0, at) + inserted + text.slice(at + random(6));
    }
    try {
      parseSession(text, 'f');
    } catch (error) {
      refused++;
      if (!(error instanceof CapabilityError)) return t.fail(`${String(error)} on ${JSON.stringify(text)}`);
    }
  }
  return t.ok(refused > 20, `${refused} refused`);
});
