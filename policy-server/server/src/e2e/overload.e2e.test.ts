import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { admissionReview, guestModule, type RunningPolicyServer, startPolicyServer } from '@portcullis/testkit';
import { test } from 'tap';

const TIMEOUT = 'exceeded the allowed execution time';
const LIMIT_MS = 2000;
const CLIENT_TIMEOUT_MS = 3000;

/** One worker, one policy that loops until its limit, and one that answers at once. */
async function startSmall(): Promise<RunningPolicyServer> {
  const looping = { module: 'rust', settings: { behaviour: 'loop' } };
  return startPolicyServer({
    modules: { rust: await guestModule('wapc-rust') },
    policies: {
      loop: { ...looping, timeoutEvalSeconds: LIMIT_MS / 1000 },
      allow: { module: 'rust' },
    },
    flags: ['--workers', '1'],
  });
}

interface Timed {
  readonly status: number;
  readonly text: string;
  readonly tookMs: number;
}

async function timed(server: RunningPolicyServer, path: string, body: Uint8Array): Promise<Timed> {
  const startMs = performance.now();
  const { status, text } = await server.post(path, body);
  return { status, text, tookMs: performance.now() - startMs };
}

/** A client that can go away in the middle. */
function impatient(server: RunningPolicyServer, path: string, body: Uint8Array): { leave(): void } {
  const headers = { 'content-type': 'application/json' };
  const call = request(`${server.url}${path}`, { method: 'POST', headers, agent: false });
  call.on('error', () => {});
  call.end(body);
  return { leave: () => void call.destroy() };
}

test('under overload surplus requests are refused before their deadline, none is lost, and the server recovers', async (t) => {
  const server = await startSmall();
  t.teardown(() => server.stop());
  const review = await admissionReview('pod-create');
  const path = `/validate/loop?timeout=${CLIENT_TIMEOUT_MS / 1000}s`;
  const answers = await Promise.all(Array.from({ length: 40 }, () => timed(server, path, review)));
  for (const { tookMs } of answers) t.ok(tookMs < CLIENT_TIMEOUT_MS, `${Math.round(tookMs)} ms`);
  const refused = answers.filter(({ status }) => status === 429);
  const decided = answers.filter(({ status }) => status === 200);
  const late = answers.filter(({ status }) => status === 504);
  t.equal(refused.length + decided.length + late.length, answers.length, 'nobody got anything else');
  t.ok(decided.length > 0, `${decided.length} were decided`);
  t.ok(late.length <= 1, 'at most the one that was running when its client ran out of time');
  for (const { text } of decided) t.match(text, TIMEOUT);
  for (const { text } of refused) t.match(JSON.parse(text), { status: 429, message: /^Too many requests: / });
  const slowestMs = Math.max(...refused.map(({ tookMs }) => tookMs));
  t.comment(
    `${decided.length} decided, ${late.length} late, ${refused.length} refused within ${Math.round(slowestMs)} ms`,
  );

  const startMs = performance.now();
  const after = await timed(server, `/validate/allow?timeout=${CLIENT_TIMEOUT_MS / 1000}s`, review);
  t.match(after, { status: 200, text: '"allowed":true' });
  t.ok(performance.now() - startMs < LIMIT_MS + 500, 'what still runs has a limit');
  for (let i = 0; i < 5; i++) t.match(await timed(server, '/validate/allow?timeout=1s', review), { status: 200 });
});

test('a client that goes away frees its place in the queue at once, and the thread its guest is on', async (t) => {
  const server = await startSmall();
  t.teardown(() => server.stop());
  const review = await admissionReview('pod-create');
  const startMs = performance.now();
  const running = impatient(server, '/validate/loop', review);
  await sleep(200);
  const queued = Array.from({ length: 5 }, () => impatient(server, '/validate/loop', review));
  await sleep(200);
  for (const client of queued) client.leave();
  running.leave();
  const allowed = await timed(server, '/validate/allow', review);
  const tookMs = performance.now() - startMs;
  t.match(allowed, { status: 200, text: '"allowed":true' });
  t.ok(tookMs < LIMIT_MS - 300, `nobody waited for the guests of those who had left: ${Math.round(tookMs)} ms`);
  t.equal(server.program.output().match(/status=499/g)?.length, 6, 'each left a line in the log');
});
