import { setTimeout as sleep } from 'node:timers/promises';
import { encodeUtf8, parseCapabilityPatterns, readAdmissionReview, readMetadata } from '@portcullis/protocol';
import { admissionReview, guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { createEvaluator, type Evaluator, type PolicyRun } from '../../index.ts';

// The guests that npm packages alone can build, through the whole evaluator: worker threads, deadlines, responses.
const GUESTS = ['component', 'wapc-assemblyscript'] as const;
const TIMEOUT = 'Policy execution interrupted because it exceeded the allowed execution time';

const request = readAdmissionReview(await admissionReview('pod-create'));

function start(): Evaluator {
  return createEvaluator({
    workers: 2,
    cores: 2,
    hostCalls: async ({ namespace, operation, payload }) => {
      await sleep(5);
      if (namespace === 'nowhere') throw new Error('unknown namespace: nowhere');
      return encodeUtf8(`${namespace}/${operation} ${Buffer.from(payload).toString()}`);
    },
  });
}

for (const guest of GUESTS) {
  test(`${guest}: accepts, rejects, mutates, refuses settings, asks the host, traps and is stopped`, async (t) => {
    await using evaluator = start();
    const bytes = await guestModule(guest);
    const module = await evaluator.prepare(bytes, readMetadata(bytes)?.executionMode ?? 'wasi');
    const policy = (settings: object, timeoutMs = 5000): PolicyRun => ({
      policyId: guest,
      module,
      settings: encodeUtf8(JSON.stringify(settings)),
      timeoutMs,
      allowList: parseCapabilityPatterns(['*']),
      contextAwareResources: [],
    });
    const ask = async (settings: object, timeoutMs?: number): Promise<unknown> =>
      evaluator.validate(policy(settings, timeoutMs), { kind: 'kubernetes', request });

    t.equal(await evaluator.protocolVersion(module), 'v1');
    t.match(await ask({}), { uid: request.uid, allowed: true, patch: undefined });
    t.match(await ask({ behaviour: 'reject', message: 'näh "so"', code: 418 }), {
      allowed: false,
      status: { message: 'näh "so"', code: 418 },
    });
    t.match(await ask({ behaviour: 'warn' }), {
      allowed: true,
      warnings: ['careful'],
      auditAnnotations: { seen: 'yes' },
    });
    const { patch = '' } = await evaluator.validate(policy({ behaviour: 'mutate' }), { kind: 'kubernetes', request });
    const operations: { op: string; path: string }[] = JSON.parse(Buffer.from(patch, 'base64').toString());
    t.match(operations, [{ op: 'add', path: /^\/metadata\/labels/ }]);
    t.equal(operations.length, 1, 'nothing else of a real Pod has changed');

    t.same(await evaluator.validateSettings(policy({})), { valid: true });
    t.same(await evaluator.validateSettings(policy({ valid: false, message: 'a\nb' })), {
      valid: false,
      message: 'a\nb',
    });
    t.match(await evaluator.validateSettings(policy({ behaviour: 'trap-settings' })), { valid: false });
    t.match(await evaluator.validateSettings(policy({ behaviour: 'loop-settings' }, 300)), { valid: false });

    const call = { behaviour: 'host-call', namespace: 'oci', operation: 'v1/x', payload: '"é"' };
    t.match(await ask(call), { status: { message: 'oci/v1/x "é"' } });
    t.match(await ask({ ...call, namespace: 'nowhere' }), { status: { message: 'unknown namespace: nowhere' } });

    const failed = (message: RegExp | string) => ({ allowed: false, status: { message, code: 500 } });
    t.match(await ask({ behaviour: 'error' }), failed('internal server error: Guest call failure: guest error'));
    t.match(await ask({ behaviour: 'trap' }), failed(/^internal server error: Guest call failure: /));
    t.match(
      await ask({ behaviour: 'bad-response' }),
      failed(/^internal server error: invalid response from policy: missing field `accepted`/),
    );
    t.match(await ask({ behaviour: 'loop' }, 300), failed(TIMEOUT));
    t.match(await ask({ behaviour: 'counter' }), { status: { message: '1' } }, 'a clean slate after all that');
  });
}

test('components that wait for the host or loop cost their neighbours nothing but time', async (t) => {
  await using evaluator = start();
  const module = await evaluator.prepare(await guestModule('component'), 'component');
  const ask = async (settings: object, timeoutMs = 10_000): Promise<string | undefined> => {
    const run: PolicyRun = {
      policyId: 'component',
      module,
      settings: encodeUtf8(JSON.stringify(settings)),
      timeoutMs,
      allowList: parseCapabilityPatterns(['*']),
      contextAwareResources: [],
    };
    return (await evaluator.validate(run, { kind: 'kubernetes', request })).status?.message;
  };
  const numbers = Array.from({ length: 30 }, (_, number) => String(number));
  const [loop, ...answers] = await Promise.all([
    ask({ behaviour: 'loop' }, 300),
    ...numbers.map((payload) => ask({ behaviour: 'host-call', namespace: 'n', operation: 'o', payload })),
  ]);
  t.equal(loop, TIMEOUT);
  t.same(
    answers,
    numbers.map((payload) => `n/o ${payload}`),
  );
});
