import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { writeResults } from './results.ts';

const RESULTS = {
  bench: 'engine',
  peers: { wasmtime: '48.0.8' },
  method: 'by hand',
  samples: { ours: [1, 2] },
  table: ['a line'],
  plots: { '': '<svg/>', p99: '<svg id="p99"/>' },
};

function contextFor(resultsDir: string | undefined) {
  return { args: [], resultsDir, command: 'pnpm bench engine', print: () => {} };
}

test('results are kept with their pictures, dated, and with all that is needed to judge them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-results-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const written = await writeResults(contextFor(join(folder, 'results')), RESULTS);
  t.equal(written.length, 3);
  const files = (await readdir(join(folder, 'results'))).toSorted();
  t.match(files, [
    /^\d{4}-\d\d-\d\d-\d{4}-engine-p99\.svg$/,
    /^\d{4}-\d\d-\d\d-\d{4}-engine\.json$/,
    /^\d{4}-\d\d-\d\d-\d{4}-engine\.svg$/,
  ]);
  const { plots: _, ...said } = RESULTS;
  const json = await readFile(join(folder, 'results', files[1] ?? ''), 'utf8');
  const kept = JSON.parse(json);
  t.match(kept, { ...said, command: 'pnpm bench engine', environment: { node: process.versions.node } });
  t.match(kept.environment.commit, /^[0-9a-f]{12}\+?$|^unknown$/);
  t.notMatch(json, folder, 'no path of this machine');
});

test('nothing is written when nothing is to be kept', async (t) => {
  t.same(await writeResults(contextFor(undefined), RESULTS), []);
});
