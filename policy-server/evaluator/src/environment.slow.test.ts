import { setTimeout as sleep } from 'node:timers/promises';
import {
  decodeUtf8,
  encodedRawRequest,
  encodeUtf8,
  parseCapabilityPatterns,
  readAdmissionReview,
} from '@portcullis/protocol';
import { admissionReview } from '@portcullis/testkit';
import { test } from 'tap';
import { fetchContextData, needsContextData } from './context-data.ts';
import { answeringPolicy } from './fixtures/answering-policy.ts';
import { obedientPolicy, type StartCode } from './fixtures/obedient-policy.ts';
import {
  createEvaluator,
  EvaluationEnvironment,
  type EvaluationInput,
  type Evaluator,
  formatPolicyId,
  type HostCallHandler,
  parsePolicyId,
  type PolicyDefinition,
  type PolicyRun,
  type PolicyRunDefinition,
} from './index.ts';

const TIMEOUT = 'Policy execution interrupted because it exceeded the allowed execution time';
const RAW: EvaluationInput = { kind: 'raw', request: encodedRawRequest(new Map([['uid', 'u-1']])) };

function start(): Evaluator {
  return createEvaluator({ workers: 2, cores: 2, hostCalls: async () => new Uint8Array() });
}

async function runOf(evaluator: Evaluator, bytes: Promise<Uint8Array>, more = {}): Promise<PolicyRunDefinition> {
  return {
    module: await evaluator.prepare(await bytes, 'kubewarden-wapc'),
    settings: encodeUtf8('{}'),
    timeoutMs: 2000,
    allowList: parseCapabilityPatterns([]),
    contextAwareResources: [],
    ...more,
  };
}

/** A policy that answers every request with `answer`. */
async function answering(evaluator: Evaluator, id: string, answer: object, more = {}): Promise<PolicyDefinition> {
  const run = await runOf(evaluator, answeringPolicy(JSON.stringify(answer)));
  return { kind: 'policy', id, run, mode: 'protect', allowedToMutate: false, ...more };
}

test('policy ids are names or members of groups', (t) => {
  t.same(parsePolicyId('a'), { kind: 'name', name: 'a' });
  t.same(parsePolicyId('a/b'), { kind: 'member', group: 'a', member: 'b' });
  t.same(parsePolicyId('a/'), { kind: 'member', group: 'a', member: '' }, 'a member may have an empty name');
  for (const id of ['a', 'a/b', 'a/']) t.equal(formatPolicyId(parsePolicyId(id)), id);
  for (const id of ['', 'a/b/c', '//']) {
    t.throws(() => parsePolicyId(id), { code: 'policy-id-invalid', message: `Not a valid Policy ID: ${id}` });
  }
  t.end();
});

test('audit is told what the policy said, a request what its configuration makes of it', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator);
  const refusal = { accepted: false, message: 'no', code: 403, warnings: ['w'] };
  await environment.register(await answering(evaluator, 'plain', refusal));
  await environment.register(await answering(evaluator, 'watching', refusal, { mode: 'monitor' }));
  await environment.register(await answering(evaluator, 'custom', refusal, { message: 'ask SRE' }));
  const vanilla = {
    uid: 'u-1',
    allowed: false,
    status: { message: 'no', code: 403 },
    auditAnnotations: null,
    warnings: ['w'],
  };
  for (const id of ['plain', 'watching', 'custom']) {
    const { response } = await environment.evaluate(id, 'audit', RAW);
    t.same(response, vanilla, id);
  }
  t.same((await environment.evaluate('plain', 'validate', RAW)).response, vanilla);
  t.same(await environment.evaluate('watching', 'validate', RAW), {
    response: { uid: 'u-1', allowed: true, auditAnnotations: null, warnings: ['w'] },
    vanilla: { accepted: false, mutated: false, message: 'no', code: 403 },
    mode: 'monitor',
    allowedToMutate: false,
    initialised: true,
  });
  t.match((await environment.evaluate('custom', 'validate', RAW)).response.status, {
    message: 'ask SRE',
    details: { causes: [{ reason: null, message: 'no', field: null }] },
    code: 403,
  });
  t.match(environment.policies(), [
    { id: 'plain', kind: 'policy', mode: 'protect', modules: [{ mode: 'kubewarden-wapc' }], problem: undefined },
    { id: 'watching', mode: 'monitor' },
    { id: 'custom' },
  ]);
  t.equal(evaluator.stats.preparedModules, 1);
});

test('a mutation is a patch of the object, if the policy may mutate', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator);
  const answer = { accepted: true, mutated_object: { kind: 'Pod' } };
  await environment.register(await answering(evaluator, 'may', answer, { allowedToMutate: true }));
  await environment.register(await answering(evaluator, 'may-not', answer));
  const input: EvaluationInput = {
    kind: 'kubernetes',
    request: readAdmissionReview(await admissionReview('pod-create')),
  };
  const { response, vanilla } = await environment.evaluate('may', 'validate', input);
  t.match(response, { uid: input.request.uid, allowed: true, patchType: 'JSONPatch' });
  const operations: { op: string; path: string }[] = JSON.parse(atob(response.patch ?? ''));
  t.ok(
    operations.some(({ op, path }) => op === 'remove' && path === '/spec'),
    'compared with the object',
  );
  t.ok(vanilla.mutated);
  const refused = await environment.evaluate('may-not', 'validate', input);
  t.match(refused.response, { allowed: false, patch: undefined, status: { message: /not allow mutations/ } });
  t.ok(refused.vanilla.mutated);
  const audited = await environment.evaluate('may-not', 'audit', input);
  t.equal(audited.response.patch, response.patch);
});

test('a group asks its members in order, lazily, and names those who refused', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator);
  const yes = (await answering(evaluator, 'x', { accepted: true, warnings: ['lost'] })).run;
  const no = (await answering(evaluator, 'x', { accepted: false, message: 'unsigned', code: 400 })).run;
  const mutates = (await answering(evaluator, 'x', { accepted: true, mutated_object: {} })).run;
  const loops = await runOf(evaluator, obedientPolicy(), { timeoutMs: 100 });
  const members = new Map([
    ['yes', yes],
    ['no', no],
    ['mutates', mutates],
    ['loops', loops],
  ]);
  const group = { kind: 'group', members, message: 'image is not acceptable', mode: 'protect' } as const;
  await environment.register({ ...group, id: 'g', expression: 'yes() && (no() || mutates())' });
  await environment.register({ ...group, id: 'lazy', expression: 'yes() || loops()' });
  await environment.register({ ...group, id: 'watching', expression: 'no()', mode: 'monitor' });
  await environment.register({ ...group, id: 'late', expression: 'loops() || yes()' });
  t.same((await environment.evaluate('g', 'validate', RAW)).response, {
    uid: 'u-1',
    allowed: false,
    status: {
      message: 'image is not acceptable',
      details: {
        causes: [
          { reason: null, message: 'unsigned', field: 'spec.policies.no' },
          { reason: null, message: 'mutation is not allowed inside of policy group', field: 'spec.policies.mutates' },
        ],
      },
    },
    auditAnnotations: null,
    warnings: null,
  });
  const accepted = { uid: 'u-1', allowed: true, auditAnnotations: null, warnings: null };
  t.same((await environment.evaluate('lazy', 'validate', RAW)).response, accepted);
  const text: EvaluationInput = { kind: 'raw', request: encodedRawRequest('loop') };
  t.same(
    (await environment.evaluate('late', 'validate', text)).response,
    { ...accepted, uid: '' },
    'too late is false',
  );
  t.equal(evaluator.stats.timeouts, 1);
  t.same((await environment.evaluate('watching', 'validate', RAW)).response, accepted);
  t.equal((await environment.evaluate('watching', 'audit', RAW)).response.allowed, false);
  t.same((await environment.evaluate('watching', 'validate', RAW)).vanilla, {
    accepted: false,
    mutated: false,
    message: 'image is not acceptable',
    causes: [{ reason: null, message: 'unsigned', field: 'spec.policies.no' }],
  });
  t.match((await environment.evaluate('g/no', 'validate', RAW)).response.status, { message: 'unsigned', code: 400 });
  t.match((await environment.evaluate('g/mutates', 'validate', RAW)).response, { allowed: false, patch: undefined });
  await t.rejects(environment.evaluate('g/nobody', 'validate', RAW), { message: 'unknown policy: g/nobody' });
  t.match(environment.policies()[0], { id: 'g', kind: 'group', modules: { length: 4 } });
});

test('who cannot start is refused even in monitor mode; a group has no answer without its member', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator);
  const never = async (code: StartCode): Promise<PolicyRunDefinition> =>
    runOf(evaluator, obedientPolicy(code), { timeoutMs: 100 });
  const problem = 'Policy settings are invalid: no';
  await environment.register({ kind: 'broken', id: 'broken', message: problem });
  t.same(await environment.evaluate('broken', 'validate', RAW), {
    response: {
      uid: 'u-1',
      allowed: false,
      status: { message: problem, code: 500 },
      auditAnnotations: null,
      warnings: null,
    },
    vanilla: { accepted: false, mutated: false, message: problem, code: 500 },
    mode: 'protect',
    allowedToMutate: false,
    initialised: false,
  });
  t.match((await environment.evaluate('broken', 'audit', RAW)).response.status, { message: problem, code: 500 });
  t.match((await environment.evaluate('broken/member', 'validate', RAW)).response.status, { message: problem });
  t.match(environment.policies(), [{ id: 'broken', kind: 'broken', problem }]);

  // Start code that hangs only sometimes gets past the settings, so the evaluator is asked directly here.
  const stub = { ...stubOf(evaluator), validateSettings: async () => ({ valid: true }) };
  const late = new EvaluationEnvironment(stub);
  const policy = { kind: 'policy', mode: 'monitor', allowedToMutate: false } as const;
  await late.register({ ...policy, id: 'hangs', run: await never('loop') });
  await late.register({ ...policy, id: 'traps', run: await never('trap') });
  const members = new Map([['hangs', await never('loop')]]);
  await late.register({
    kind: 'group',
    id: 'g',
    members,
    expression: 'hangs() || true',
    message: 'm',
    mode: 'protect',
  });
  const hung = await late.evaluate('hangs', 'validate', RAW);
  t.match(hung, { response: { allowed: false, status: { message: TIMEOUT, code: 500 } }, initialised: false });
  t.match(await late.evaluate('traps', 'validate', RAW), { response: { allowed: false, status: { code: 500 } } });
  const { response } = await late.evaluate('g', 'validate', RAW);
  const message = `error evaluating policy group expression: error invoking g/hangs: ${TIMEOUT}`;
  t.same(response.status, { message, code: 500 });
});

function stubOf(evaluator: Evaluator): Evaluator {
  return {
    prepare: (bytes, mode) => evaluator.prepare(bytes, mode),
    validate: (policy, input, options) => evaluator.validate(policy, input, options),
    evaluate: (policy, input, options) => evaluator.evaluate(policy, input, options),
    validateSettings: (policy) => evaluator.validateSettings(policy),
    open: () => evaluator.open(),
    warm: (policy) => evaluator.warm(policy),
    protocolVersion: (module) => evaluator.protocolVersion(module),
    stats: evaluator.stats,
    close: () => evaluator.close(),
    [Symbol.asyncDispose]: () => evaluator.close(),
  };
}

test('a policy is registered once its settings are valid, a group once its expression is', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator);
  const settings = (order: string): PolicyRunDefinition['settings'] => encodeUtf8(`{"do":"${order}"}`);
  const good = await runOf(evaluator, obedientPolicy());
  const policy = { kind: 'policy', mode: 'protect', allowedToMutate: false } as const;
  const refusals: [string, string][] = [
    ['r', 'Policy settings are invalid: no'],
    ['l', `Policy settings are invalid: ${TIMEOUT}`],
  ];
  for (const [order, message] of refusals) {
    const run = { ...good, settings: settings(order), timeoutMs: 100 };
    await t.rejects(environment.register({ ...policy, id: 'p', run }), { code: 'settings-invalid', message });
  }
  const group = { kind: 'group', id: 'g', message: 'm', mode: 'protect', expression: 'a()' } as const;
  const bad = { ...good, settings: settings('r') };
  await t.rejects(
    environment.register({
      ...group,
      members: new Map([
        ['a', good],
        ['b', bad],
      ]),
    }),
    {
      code: 'settings-invalid',
      message: 'member "b": Policy settings are invalid: no',
    },
  );
  const members = new Map([['a', good]]);
  for (const expression of ['a() &&', 'nope()', '1 + 1']) {
    await t.rejects(environment.register({ ...group, members, expression }), {
      code: 'expression-invalid',
      message: /^error evaluating policy group expression: ./,
    });
  }
  t.same(environment.policies(), [], 'nothing of it was kept');
  await environment.register({ ...policy, id: 'p', run: good });
  await environment.register({ ...group, members });
  await t.rejects(environment.register({ ...policy, id: 'p', run: good }), { code: 'duplicate-policy' });
  await t.rejects(environment.register({ ...policy, id: 'g/p', run: good }), { code: 'policy-id-invalid' });
  await t.rejects(environment.evaluate('q', 'validate', RAW), { code: 'unknown-policy', message: 'unknown policy: q' });
  await t.rejects(environment.evaluate('p/q', 'validate', RAW), { code: 'unknown-policy' });
  await t.rejects(environment.evaluate('p/q/r', 'validate', RAW), { code: 'policy-id-invalid' });
});

test('one namespace may be exempt: its requests are accepted unseen', async (t) => {
  await using evaluator = start();
  const environment = new EvaluationEnvironment(evaluator, { alwaysAcceptNamespace: 'kubewarden' });
  await environment.register(await answering(evaluator, 'p', { accepted: false }));
  await environment.register({ kind: 'broken', id: 'broken', message: 'm' });
  const request = readAdmissionReview(await admissionReview('pod-create'));
  const inside = { kind: 'kubernetes', request: { ...request, namespace: 'kubewarden' } } as const;
  for (const origin of ['validate', 'audit'] as const) {
    const { response, vanilla } = await environment.evaluate('p', origin, inside);
    t.same(response, { uid: request.uid, allowed: true, auditAnnotations: null, warnings: null });
    t.same(vanilla, { accepted: true, mutated: false });
  }
  const { namespace: _, ...clusterWide } = request;
  for (const elsewhere of [{ ...request, namespace: 'kubewarden2' }, clusterWide]) {
    const { response } = await environment.evaluate('p', 'validate', { kind: 'kubernetes', request: elsewhere });
    t.notOk(response.allowed);
  }
  const raw: EvaluationInput = { kind: 'raw', request: encodedRawRequest(new Map([['namespace', 'kubewarden']])) };
  t.notOk((await environment.evaluate('p', 'validate', raw)).response.allowed, 'raw requests have no namespace');
  await t.rejects(environment.evaluate('nobody', 'validate', inside), { code: 'unknown-policy' });
  await t.rejects(environment.evaluate('broken', 'validate', inside), { code: 'unknown-policy' });
});

test('Rego policies are handed the objects they were granted, fetched by the evaluator itself', async (t) => {
  const policy = (mode: 'opa' | 'gatekeeper' | 'wasi', timeoutMs?: number): PolicyRun => ({
    policyId: 'p',
    module: { sha256: '', mode, sizeBytes: 0, instances: { kind: 'reset' } },
    settings: encodeUtf8('{}'),
    timeoutMs,
    allowList: parseCapabilityPatterns([]),
    contextAwareResources: [{ apiVersion: 'v1', kind: 'Namespace' }],
  });
  const calls: string[] = [];
  const hostCalls: HostCallHandler = async ({ binding, namespace, operation, payload }, { internal, signal }) => {
    calls.push(`${binding} ${namespace}/${operation} ${decodeUtf8(payload)} ${internal} ${signal.aborted}`);
    return encodeUtf8(
      operation === 'get_resource_plural_name' ? '"namespaces"' : '{"items":[{"metadata":{"name":"n","uid":1}}]}',
    );
  };
  const fetched = async (mode: 'opa' | 'gatekeeper' | 'wasi'): Promise<string | undefined> => {
    const context = await fetchContextData(policy(mode), hostCalls, undefined);
    if (context.kind !== 'ready') throw new Error(context.kind);
    return decodeUtf8(context.contextData);
  };
  t.notOk(needsContextData(policy('wasi')), 'asks for itself');
  t.ok(needsContextData(policy('gatekeeper')));
  t.notOk(needsContextData({ ...policy('opa'), contextAwareResources: [] }), 'was granted nothing');
  t.same(calls, []);
  t.equal(await fetched('opa'), '{"namespaces":{"n":{"metadata":{"name":"n","uid":1}}}}');
  const payload = '{"api_version":"v1","kind":"Namespace"}';
  t.same(calls, [
    `kubewarden kubernetes/get_resource_plural_name ${payload} true false`,
    `kubewarden kubernetes/list_resources_all ${payload} true false`,
  ]);
  const inventory = '{"cluster":{"v1":{"Namespace":{"n":{"metadata":{"name":"n","uid":1}}}}},"namespace":{}}';
  t.equal(await fetched('gatekeeper'), inventory);
  t.equal(calls.length, 3);

  const refuse: HostCallHandler = async () => Promise.reject(new Error('Cannot find resource v1/Nope'));
  t.same(await fetchContextData(policy('opa'), refuse, undefined), {
    kind: 'failed',
    message: 'cannot perform a request via callback channel: Cannot find resource v1/Nope',
  });
  let cut = false;
  const hang: HostCallHandler = (_, { signal }) => {
    signal.addEventListener('abort', () => (cut = true));
    return new Promise(() => {});
  };
  t.same(await fetchContextData(policy('opa', 50), hang, undefined), { kind: 'timed-out' });
  t.ok(cut, 'the host is told that nobody waits any more');
  const leave = new AbortController();
  const left = t.rejects(fetchContextData(policy('opa'), hang, leave.signal), { code: 'aborted' });
  await sleep(1);
  leave.abort();
  await left;
});
