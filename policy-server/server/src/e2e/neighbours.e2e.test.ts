import { test } from 'tap';
import { admissionReview, guestModule, startPolicyServer } from '@portcullis/testkit';

const LOOPING_CLIENTS = 3;
const INNOCENT_CLIENTS = 6;
const DURATION_MS = 6000;

interface Tally {
  answers: number;
  wrong: string[];
}

/** Asks again and again until the time is over; `right` says what is wrong with an answer. */
async function client(untilMs: number, ask: () => Promise<string>, wrong: (text: string) => boolean): Promise<Tally> {
  const tally: Tally = { answers: 0, wrong: [] };
  while (Date.now() < untilMs) {
    const text = await ask().catch((error: unknown) => `lost: ${String(error)}`);
    tally.answers += 1;
    if (wrong(text)) tally.wrong.push(text.slice(0, 300));
  }
  return tally;
}

test('a looping policy under parallel load costs nobody else a wrong or lost verdict', async (t) => {
  const server = await startPolicyServer({
    modules: { rust: await guestModule('wapc-rust'), go: await guestModule('wasi-go') },
    policies: {
      loop: { module: 'rust', settings: { behaviour: 'loop' }, timeoutEvalSeconds: 1 },
      deny: { module: 'rust', settings: { behaviour: 'reject', message: 'no' } },
      allow: { module: 'rust' },
      go: { module: 'go', settings: { behaviour: 'reject', message: 'no from go' } },
      lookup: {
        module: 'rust',
        settings: { behaviour: 'host-call', namespace: 'net', operation: 'v1/dns_lookup_host', payload: '"localhost"' },
        hostCapabilities: ['net/*'],
      },
    },
    flags: ['--workers', '4', '--policy-timeout', '5'],
  });
  t.teardown(() => server.stop());
  const review = await admissionReview('pod-create');
  const untilMs = Date.now() + DURATION_MS;
  const ask = (policy: string) => async () => (await server.post(`/validate/${policy}`, review)).text;
  const lacks = (part: string) => (text: string) => !text.includes(part);

  // One of them at a time has a thread, and who waits longer than an evaluation may take is refused.
  const ownFault = /exceeded the allowed execution time|Too many requests/;
  const looping = Array.from({ length: LOOPING_CLIENTS }, () =>
    client(untilMs, ask('loop'), (text) => !ownFault.test(text)),
  );
  const expectations = [
    ['deny', '"message":"no"'],
    ['allow', '"allowed":true'],
    ['go', '"message":"no from go"'],
    ['lookup', '127.0.0.1'],
  ] as const;
  const innocent = Array.from({ length: INNOCENT_CLIENTS }, (_, index) => {
    const [policy, expected] = expectations[index % expectations.length]!;
    return client(untilMs, ask(policy), lacks(expected));
  });
  const tallies = await Promise.all([...looping, ...innocent]);
  t.same(
    tallies.flatMap(({ wrong }) => wrong),
    [],
  );
  for (const { answers } of tallies) t.ok(answers > 0, `${answers} answers`);
});

test('K3 K4 1, 5 and 50 policies on one module compile it once', async (t) => {
  const rust = await guestModule('wapc-rust');
  for (const count of [1, 5, 50]) {
    const policies = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `policy-${index}`,
        { module: index % 2 ? 'rust' : 'copy', settings: { message: `m${index}`, behaviour: 'reject' } },
      ]),
    );
    const server = await startPolicyServer({ modules: { rust, copy: rust }, policies });
    try {
      t.match(server.program.output(), new RegExp(`${count} policies?, 1 unique module`));
      const answer = await server.post(`/validate/policy-${count - 1}`, await admissionReview('pod-create'));
      t.match(answer.text, `"message":"m${count - 1}"`);
    } finally {
      await server.stop();
    }
  }
});

test('SIGTERM drains: the request in flight is answered, then the server exits with 0', async (t) => {
  const server = await startPolicyServer({
    modules: { rust: await guestModule('wapc-rust') },
    policies: { loop: { module: 'rust', settings: { behaviour: 'loop' }, timeoutEvalSeconds: 1 } },
  });
  t.teardown(() => server.stop());
  const inFlight = server.post('/validate/loop', await admissionReview('pod-create'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  server.program.child.kill('SIGTERM');
  const exited = new Promise<number | null>((resolve) => server.program.child.once('exit', resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const readiness = await fetch(server.readinessUrl).then(
    ({ status }) => status,
    () => 0,
  );
  t.not(readiness, 200, 'readiness turned false');
  t.match((await inFlight).text, 'exceeded the allowed execution time');
  t.equal(await exited, 0);
});
