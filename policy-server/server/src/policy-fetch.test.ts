import { mock } from 'node:test';
import { ArtifactError, parseModuleLocation, type ArtifactLogRecord, type FetchedPolicy } from '@portcullis/artifact';
import { test } from 'tap';
import { PolicyFetch } from './policy-fetch.ts';

type Fetch = (url: string, signal: AbortSignal | undefined) => Promise<void>;

function fetchesWith(fetch: Fetch, { timeoutMs = 60_000, mayBeStale = false, stop = new AbortController() } = {}) {
  const records: ArtifactLogRecord[] = [];
  const fetcher = {
    async fetch(location: FetchedPolicy['location'], { signal }: { signal?: AbortSignal | undefined } = {}) {
      await fetch('url' in location ? location.url : location.path, signal);
      const policy: FetchedPolicy = {
        location,
        path: '/store/p',
        verifiedDigest: undefined,
        verifiedSha256: undefined,
        origin: 'downloaded',
      };
      return policy;
    },
  };
  const log = (record: ArtifactLogRecord): void => void records.push(record);
  const fetches = new PolicyFetch({ fetcher, timeoutMs, mayBeStale, stop: stop.signal, log });
  return { records, stop, fetch: (text: string) => fetches.fetch(parseModuleLocation(text)) };
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_resolve, reject) => {
    const giveUp = (): void => reject(new ArtifactError('aborted', 'gave up'));
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp);
  });
}

test('each host has a row of eight; a place is given on when its policy is here', async (t) => {
  const asked: string[] = [];
  const gates = new Map<string, () => void>();
  const { fetch } = fetchesWith((url) => {
    asked.push(url);
    return new Promise((resolve) => gates.set(url, resolve));
  });
  const all = Array.from({ length: 10 }, (_, index) => fetch(`a.test/p${index}`));
  all.push(fetch('b.test/p'), fetch('http://user@a.test:8080/p.wasm'), fetch('file:///p.wasm'));
  await new Promise(setImmediate);
  t.equal(asked.filter((url) => url.includes('//a.test/')).length, 8);
  t.equal(asked.length, 11, 'other hosts and ports wait for nobody');
  gates.get('registry://a.test/p3:latest')?.();
  await all[3];
  await new Promise(setImmediate);
  t.equal(asked.at(-1), 'registry://a.test/p8:latest');
  for (let index = 0; index < 3; index++) {
    for (const open of gates.values()) open();
    await new Promise(setImmediate);
  }
  await Promise.all(all);
});

test('whoever is late is told so, also in the row; who was stopped is not', async (t) => {
  // In a server, connections keep the process.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const late = fetchesWith((_url, signal) => untilAborted(signal), { timeoutMs: 50 });
  const all = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => late.fetch(`a.test/p${index}`)));
  for (const one of all) {
    t.match(one, {
      status: 'rejected',
      reason: {
        code: 'download-stalled',
        stage: 'download',
        message: /^it was not here after 0\.05 s, .*--policies-download-timeout$/,
      },
    });
  }
  const stopped = fetchesWith((_url, signal) => untilAborted(signal));
  const waiting = stopped.fetch('a.test/p');
  stopped.stop.abort();
  await t.rejects(waiting, { code: 'aborted' });
  const broken = fetchesWith(() => Promise.reject(new ArtifactError('not-found', 'no such policy')), {
    mayBeStale: true,
  });
  await t.rejects(broken.fetch('a.test/p'), { code: 'not-found' }, 'what a registry says is passed on');
});

test('who is waited for is said after ten seconds, without passwords', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const { fetch, records, stop } = fetchesWith((_url, signal) => untilAborted(signal));
  const waiting = fetch('https://user:s3cret@a.test/p.wasm?s3cret');
  await new Promise(setImmediate);
  mock.timers.tick(9_999);
  t.same(records, []);
  mock.timers.tick(1);
  t.match(records, [{ level: 'warn', message: /more than 10 s/, fields: { policy: 'https://a.test/p.wasm' } }]);
  stop.abort();
  await t.rejects(waiting, { code: 'aborted' });
});
