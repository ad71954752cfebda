import {
  encodeUtf8,
  decodeUtf8,
  parseCapabilityPatterns,
  parseJson,
  stringifyJson,
  type HostCall,
} from '@portcullis/protocol';
import { test } from 'tap';
import type { CapabilityHandlers } from './backend.ts';
import { createCapabilities, type CapabilityContext, type Denial } from './capabilities.ts';
import { createDnsHandler } from './dns.ts';
import { CapabilityError, errorChain } from './errors.ts';
import type { PolicyLogEvent } from './policy-log.ts';
import type { CapabilityRequest } from './request.ts';

function call(path: string, payload: string, binding = 'kubewarden'): HostCall {
  const slash = path.indexOf('/');
  return { binding, namespace: path.slice(0, slash), operation: path.slice(slash + 1), payload: encodeUtf8(payload) };
}

function context(patterns: string[] = ['*'], rest: Partial<CapabilityContext> = {}): CapabilityContext {
  return {
    policyId: 'p',
    allowList: parseCapabilityPatterns(patterns),
    contextAwareResources: [{ apiVersion: 'v1', kind: 'Namespace' }],
    signal: new AbortController().signal,
    ...rest,
  };
}

function host(handlers: CapabilityHandlers = {}): {
  ask: (path: string, payload: string, context?: CapabilityContext) => Promise<string>;
  events: PolicyLogEvent[];
  denials: Denial[];
} {
  const events: PolicyLogEvent[] = [];
  const denials: Denial[] = [];
  const calls = createCapabilities({ handlers, log: (event) => events.push(event), onDenied: (d) => denials.push(d) });
  return {
    ask: async (path, payload, who = context()) => decodeUtf8(await calls(call(path, payload), who)),
    events,
    denials,
  };
}

const GET = '{"api_version":"v1","kind":"Namespace","name":"default","disable_cache":false}';

test('checks run in order: binding, gate, namespace, operation, payload, resources', async (t) => {
  const calls = createCapabilities({ handlers: {}, log: () => {} });
  const none = context([]);
  await t.rejects(calls(call('oci/v1/verify', 'nonsense', 'other'), none), { message: 'unknown binding: other' });
  await t.rejects(calls(call('nope/x', 'nonsense'), none), {
    message: "Policy has not been granted access to the 'nope/x' host capability. The violation has been reported.",
  });
  await t.rejects(calls(call('kubernetes/get_resource', 'nonsense'), none), { message: /'kubernetes\/get_resource'/ });
  await t.rejects(calls(call('nope/x', 'nonsense'), context()), { message: 'unknown namespace: nope' });
  await t.rejects(calls(call('kubernetes/watch', 'nonsense'), context()), { message: 'unknown operation: watch' });
  await t.rejects(calls(call('tracing/trace', '{}'), none), { message: 'unknown operation: trace' });
  await t.rejects(calls(call('kubernetes/list_resources_all', '{"api_version":"v1"}'), context()), {
    message: 'missing field `kind` at line 1 column 20',
  });
  await t.rejects(calls(call('kubernetes/get_resource', '{"api_version":"v1","kind":"Pod","name":"x"}'), context()), {
    message: 'missing field `disable_cache` at line 1 column 44',
  });
  await t.rejects(calls(call('kubernetes/get_resource', GET.replace('Namespace', 'Secret')), context()), {
    message: 'Policy has not been granted access to Kubernetes v1/Secret resources. The violation has been reported.',
  });
});

test('denials are reported with what was allowed', async (t) => {
  const { ask, denials } = host();
  await t.rejects(ask('oci/v1/verify', '', context(['net/*'])));
  await t.rejects(ask('kubernetes/get_resource', GET, context(['*'], { contextAwareResources: [] })));
  t.match(denials, [
    { policyId: 'p', capability: 'oci/v1/verify', allowed: ['net/*'] },
    { policyId: 'p', capability: 'kubernetes/get_resource', resource: { kind: 'Namespace' }, allowed: [] },
  ]);
  const events: PolicyLogEvent[] = [];
  const calls = createCapabilities({ handlers: {}, log: (event) => events.push(event) });
  await t.rejects(calls(call('oci/v1/verify', ''), context([])));
  t.match(events, [{ level: 'error', message: /has not been granted access/ }]);
});

test('operations nobody serves are answered in plain words', async (t) => {
  const { ask } = host();
  const certificate = '{"cert":{"encoding":"Pem","data":[45]}}';
  for (const [path, payload, message] of [
    ['kubernetes/get_resource', GET, /^Callback evaluation failure: Kubernetes lookups are not available because/],
    ['oci/v1/manifest_digest', '"img"', /^Callback evaluation failure: image lookups are not available because/],
    [
      'oci/v1/verify',
      '{"SigstorePubKeyVerify":{"image":"i","pub_keys":[]}}',
      /signature verification is not available/,
    ],
    ['net/v1/dns_lookup_host', '"localhost"', /DNS lookups are not available/],
    ['crypto/v1/is_certificate_trusted', certificate, /certificate verification is not available/],
  ] as const) {
    await t.rejects(ask(path, payload), { code: 'failed', message }, path);
  }
});

test('handlers get typed requests, whatever the SDK sends', async (t) => {
  const seen: CapabilityRequest[] = [];
  const note = async (request: CapabilityRequest): Promise<null> => {
    seen.push(request);
    return null;
  };
  const { ask } = host({
    KubernetesCanI: note,
    KubernetesListResourceNamespace: note,
    SigstoreKeylessVerify: note,
    SigstoreGithubActionsVerify: note,
    CryptoIsCertificateTrusted: note,
    OciManifestAndConfig: note,
  });
  const review = '{"user":"u","groups":null,"resourceAttributes":{"verb":"get","resource":"pods"}}';
  await ask('kubernetes/can_i', `{"subject_access_review":${review},"disable_cache":true}`);
  await ask('kubernetes/list_resources_by_namespace', '{"api_version":"v1","kind":"Namespace","namespace":"n","x":1}');
  await ask(
    'oci/v1/verify',
    '{"SigstoreKeylessVerify":{"image":"i","keyless":[{"issuer":"a","subject":"b"}],"annotations":null}}',
  );
  await ask('oci/v2/verify', '{"type":"SigstoreGithubActionsVerify","image":"i","owner":"o","annotations":{"a":"b"}}');
  await ask('crypto/v1/is_certificate_trusted', '{"cert":{"encoding":"Der","data":[1]},"not_after":""}');
  await ask('oci/v1/oci_manifest_config', '"img"');
  t.same(seen, [
    {
      type: 'KubernetesCanI',
      request: { user: 'u', resource_attributes: { verb: 'get', resource: 'pods' } },
      disable_cache: true,
    },
    { type: 'KubernetesListResourceNamespace', api_version: 'v1', kind: 'Namespace', namespace: 'n' },
    { type: 'SigstoreKeylessVerify', image: 'i', keyless: [{ issuer: 'a', subject: 'b' }] },
    { type: 'SigstoreGithubActionsVerify', image: 'i', owner: 'o', annotations: new Map([['a', 'b']]) },
    { type: 'CryptoIsCertificateTrusted', request: { cert: { encoding: 'Der', data: [1] }, not_after: '' } },
    { type: 'OciManifestAndConfig', image: 'img' },
  ]);
});

test('payloads of another shape are refused with the parser text', async (t) => {
  const { ask } = host();
  for (const [path, payload, message] of [
    ['oci/v1/manifest_digest', '7', /invalid type: integer `7`, expected a string at line 1 column 1/],
    ['oci/v1/manifest_digest', '', /EOF while parsing a value/],
    ['oci/v1/verify', '{"Nope":{}}', /unknown variant `Nope`/],
    ['oci/v2/verify', '{"image":"i"}', /missing field `type`/],
    ['oci/v2/verify', '{"type":"Nope"}', /unknown variant `Nope`, expected one of `SigstorePubKeyVerify`/],
    [
      'kubernetes/can_i',
      '{"subject_access_review":{"user":"u"},"disable_cache":true}',
      /missing field `resource_attributes`/,
    ],
    ['kubernetes/get_resource', '[]', /invalid type: sequence, expected struct GetResourceRequest/],
  ] as const) {
    await t.rejects(ask(path, payload), { message }, payload);
  }
});

test('the host itself passes all gates and may ask for more', async (t) => {
  const { ask } = host({ KubernetesGetResourcePluralName: async () => 'pods' });
  const internal = context([], { internal: true, contextAwareResources: [] });
  t.equal(await ask('kubernetes/get_resource_plural_name', '{"api_version":"v1","kind":"Pod"}', internal), '"pods"');
  await t.rejects(ask('kubernetes/get_resource_plural_name', '{"api_version":"v1","kind":"Pod"}'), {
    message: 'unknown operation: get_resource_plural_name',
  });
  const { ask: asked } = host({
    KubernetesGetResourcePluralName: async () => Promise.reject(new Error('Cannot find resource v1/Nope')),
  });
  await t.rejects(asked('kubernetes/get_resource_plural_name', '{"api_version":"v1","kind":"Nope"}', internal), {
    message: 'Cannot find resource v1/Nope',
  });
});

test('failures show their causes below', async (t) => {
  const { ask } = host({
    KubernetesGetResource: async () => {
      throw new Error('top', { cause: new Error('middle', { cause: new Error('bottom') }) });
    },
  });
  await t.rejects(ask('kubernetes/get_resource', GET), {
    message: 'Callback evaluation failure: top\n\nCaused by:\n    0: middle\n    1: bottom',
  });
  t.equal(errorChain(new Error('top', { cause: new Error('only') })), 'top\n\nCaused by:\n    only');
});

test('tracing/log never fails and takes the level names of all SDKs', async (t) => {
  const { ask, events } = host();
  const none = context([]);
  for (const level of ['trace', 'DEBUG', 'Info', 'warning', 'warn', 'error', 'fatal', 'critical']) {
    t.equal(await ask('tracing/log', `{"level":"${level}","message":"m","b":9007199254740993,"a":"x"}`, none), '');
  }
  t.same(
    events.map(({ level }) => level),
    ['trace', 'debug', 'info', 'warn', 'warn', 'error', 'error', 'error'],
  );
  t.match(events[0], { policyId: 'p', message: 'm', data: '{"a":"x","b":9007199254740993}' });
  events.length = 0;
  for (const payload of ['', '[]', '{"level":"loud"}', '{}', '\u0000'])
    t.equal(await ask('tracing/log', payload, none), '');
  t.equal(events.length, 5);
  t.ok(events.every(({ level, message }) => level === 'error' && message === 'Cannot log event'));
});

test('DNS: answers all addresses, and gives up at its deadline', async (t) => {
  const answer = createDnsHandler({ resolve: async (name) => (name === 'two' ? ['127.0.0.1', '::1'] : []) });
  const who = { policyId: 'p', signal: new AbortController().signal };
  t.equal(stringifyJson(await answer({ type: 'DNSLookupHost', host: 'two' }, who)), '{"ips":["127.0.0.1","::1"]}');
  t.equal(stringifyJson(await answer({ type: 'DNSLookupHost', host: '::1' }, who)), '{"ips":["::1"]}');
  await t.rejects(answer({ type: 'DNSLookupHost', host: '' }, who), CapabilityError);

  const never = createDnsHandler({ resolve: async () => new Promise<string[]>(() => {}), timeoutMs: 20 });
  await t.rejects(never({ type: 'DNSLookupHost', host: 'slow' }, who), { message: 'cannot look up host "slow"' });
  const gone = { policyId: 'p', signal: AbortSignal.abort() };
  await t.rejects(never({ type: 'DNSLookupHost', host: 'slow' }, gone), CapabilityError);
  const { ask } = host({ DNSLookupHost: createDnsHandler() });
  t.match(parseJson(await ask('net/v1/dns_lookup_host', '"localhost"')), new Map([['ips', [/127\.0\.0\.1|::1/]]]));
});
