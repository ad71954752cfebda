import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEvaluator } from '@portcullis/evaluator';
import type { EvaluatorLimits, HostCallHandler } from '@portcullis/evaluator';
import { encodedRawRequest, encodeUtf8, parseCapabilityPatterns, parseJson, parseMetadata } from '@portcullis/protocol';
import { test } from 'tap';
import type { Test } from 'tap';
import { buildPolicy, defaultCacheDir } from '../build.ts';

const SDK = fileURLToPath(new URL('../index.ts', import.meta.url));

const SOURCE = `
  import { accept, defineRawPolicy, deny, mutate } from ${JSON.stringify(SDK)};
  export const policy = defineRawPolicy({
    validate(request, { host }) {
      switch (request.do) {
        case 'deny': return deny('no', { code: 418 });
        case 'mutate': return mutate({ ...request, added: 1 });
        case 'throw': throw new Error('broken');
        case 'exhaust': { const kept = []; for (;;) kept.push(new Array(100_000).fill(1)); }
        case 'recurse': { const dive = (depth) => 1 + dive(depth + 1); return dive(0); }
        case 'loop': for (;;);
        case 'host': return deny(host.net.lookupHost(request.host).join());
        default: return accept();
      }
    },
  });`;

const lookup: HostCallHandler = async ({ payload }) => {
  const host = parseJson(payload);
  if (host === 'refused.example') throw new Error('Callback evaluation failure: refused');
  return encodeUtf8(JSON.stringify({ ips: [`ip of ${JSON.stringify(host)}`] }));
};

async function start(t: Test, limits: Partial<EvaluatorLimits> = {}) {
  const entry = join(t.testdir({ 'policy.ts': SOURCE }), 'policy.ts');
  const metadata = parseMetadata(encodeUtf8('{"protocolVersion":"v1","rules":[],"mutating":true,"policyType":"raw"}'));
  const bytes = await buildPolicy({ entry, metadata, cacheDir: defaultCacheDir(process.env) });
  const evaluator = createEvaluator({ workers: 1, hostCalls: lookup, limits });
  t.teardown(() => evaluator.close());
  const policy = {
    policyId: 'raw',
    module: await evaluator.prepare(bytes, 'kubewarden-wapc'),
    settings: encodeUtf8('{}'),
    timeoutMs: 2000,
    allowList: parseCapabilityPatterns(['*']),
    contextAwareResources: [],
  };
  const validate = (request: string) =>
    evaluator
      .validate(policy, { kind: 'raw', request: encodedRawRequest(parseJson(request)) })
      .then(({ allowed, status, patch }) => ({
        allowed,
        message: status?.message,
        code: status?.code,
        patch: patch && Buffer.from(patch, 'base64').toString(),
      }));
  return { evaluator, policy, validate };
}

test('a built policy runs in the evaluator of the policy server', async (t) => {
  const { evaluator, policy, validate } = await start(t);
  t.equal(await evaluator.protocolVersion(policy.module), 'v1');
  t.match(await evaluator.validateSettings(policy), { valid: true });
  t.match(await evaluator.validateSettings({ ...policy, settings: encodeUtf8('{"a":1}') }), {
    valid: false,
    message: /settings\.a: unknown key/,
  });
  t.match(await validate('{}'), { allowed: true, message: undefined });
  t.match(await validate('{"do":"deny"}'), { allowed: false, message: 'no', code: 418 });
  t.match(await validate('{"do":"mutate","big":9007199254740993}'), {
    patch: '[{"op":"add","path":"/added","value":1}]',
  });
  t.match(await validate('{"do":"host","host":"a.example"}'), { message: 'ip of "a.example"' });
});

test('a built policy that fails costs its own request only', async (t) => {
  const { validate } = await start(t);
  const cases: [request: string, message: RegExp][] = [
    ['{"do":"throw"}', /Guest call failure: broken$/],
    ['{"do":"host","host":"refused.example"}', /HostCallError: Callback evaluation failure: refused$/],
    ['{"do":"exhaust"}', /InternalError: out of memory$/],
    ['{"do":"recurse"}', /RangeError: Maximum call stack size exceeded$/],
    ['{"do":"loop"}', /exceeded the allowed execution time/],
  ];
  for (const [request, message] of cases) {
    t.match(await validate(request), { allowed: false, code: 500, message }, request);
    t.match(await validate('{}'), { allowed: true }, 'the next one is well');
  }
});

test('a server that grants less memory than the module may ask for gets a guest error as well', async (t) => {
  const { validate } = await start(t, { memoryPages: 128 });
  t.match(await validate('{"do":"exhaust"}'), { allowed: false, message: /out of memory$/ });
  t.match(await validate('{}'), { allowed: true });
});
