import { test } from 'tap';
import {
  GUEST_CASES,
  GUEST_NAMES,
  type GuestCase,
  type RunningPolicyServer,
  admissionReview,
  guestModule,
  startPolicyServer,
} from '@portcullis/testkit';

const POLICY_TIMEOUT_SECONDS = 1;

interface Response {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patch?: string;
  readonly status?: { readonly message?: string; readonly code?: number };
}

function policyName({ guest, behaviour }: GuestCase): string {
  return `${guest}-${behaviour}`;
}

async function startWithEveryCase(): Promise<RunningPolicyServer> {
  const modules = Object.fromEntries(
    await Promise.all(GUEST_NAMES.map(async (name) => [name, await guestModule(name)] as const)),
  );
  const policies = GUEST_CASES.map((one) => {
    const policy = {
      module: one.guest,
      settings: one.settings,
      allowedToMutate: true,
      timeoutEvalSeconds: POLICY_TIMEOUT_SECONDS,
    };
    return [policyName(one), policy] as const;
  });
  return startPolicyServer({
    modules,
    policies: Object.fromEntries(policies),
    flags: ['--continue-on-errors', '--workers', '2'],
  });
}

test('every execution mode over HTTP', async (t) => {
  const server = await startWithEveryCase();
  t.teardown(() => server.stop());
  const review = await admissionReview('pod-create');
  const { uid } = JSON.parse(Buffer.from(review).toString()).request;

  for (const one of GUEST_CASES) {
    await t.test(`${one.guest} answers ${one.behaviour}`, async (t) => {
      const answer = await server.post(`/validate/${policyName(one)}`, review);
      t.equal(answer.status, 200);
      const { response }: { response: Response } = JSON.parse(answer.text);
      t.equal(response.uid, uid);
      const { expected } = one;
      if (expected.kind === 'settings-invalid') {
        t.equal(response.allowed, false);
        t.equal(response.status?.message, `Policy settings are invalid: ${expected.message}`);
        t.equal(response.status?.code, 500);
        return;
      }
      t.equal(response.allowed, expected.allowed);
      if (expected.message === undefined) t.equal(response.status, undefined);
      else t.match(response.status?.message, expected.message);
      t.equal(response.status?.code, expected.code);
      t.equal(response.patch && Buffer.from(response.patch, 'base64').toString(), expected.patch);
    });
  }
});

test('K6 no guest sees anything of an earlier evaluation, however often it is asked', async (t) => {
  const guests = GUEST_CASES.filter(({ behaviour }) => behaviour === 'clean-slate');
  const modules = Object.fromEntries(
    await Promise.all(guests.map(async ({ guest }) => [guest, await guestModule(guest)] as const)),
  );
  const policies = Object.fromEntries(guests.map(({ guest, settings }) => [guest, { module: guest, settings }]));
  const server = await startPolicyServer({ modules, policies });
  t.teardown(() => server.stop());
  const review = await admissionReview('pod-create');
  for (const { guest } of guests) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.post(`/validate/${guest}`, review)));
    const messages = answers.map(({ text }) => JSON.parse(text).response.status.message);
    t.same(new Set(messages), new Set(['1']), guest);
  }
});

test('every recorded admission review reaches a guest byte for byte', async (t) => {
  const server = await startPolicyServer({
    modules: { rust: await guestModule('wapc-rust') },
    policies: { echo: { module: 'rust', settings: { behaviour: 'echo' } } },
  });
  t.teardown(() => server.stop());
  const answer = await server.post('/validate/echo', await admissionReview('widget-create'));
  const payload: string = JSON.parse(answer.text).response.status.message;
  t.match(payload, '"big":9007199254740993,');
  t.match(payload, '"most":9223372036854775807,');
  t.match(payload, '"least":-9223372036854775808,');
  t.match(payload, '"__proto__":{"x":1}');
  const large = await server.post('/validate/echo', await admissionReview('large-create'));
  t.equal(large.status, 200);
  t.match(JSON.parse(large.text).response.status.message, '"name":"entry-11999"');
});
