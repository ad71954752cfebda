import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openInlinePolicy } from '@portcullis/evaluator';

// Our side of `pnpm bench engine`, a process of its own like the native one: one thread, the worker's runtime, no pool and no hop.
// Every line on standard input is a number of evaluations; every line on standard output answers it.

const { values } = parseArgs({
  options: {
    module: { type: 'string', default: '' },
    mode: { type: 'string', default: '' },
    request: { type: 'string', default: '' },
    settings: { type: 'string', default: '' },
    instances: { type: 'string', default: 'reset' },
    answer: { type: 'string', default: '' },
  },
});

const startedMs = performance.now();
const policy = await openInlinePolicy(await readFile(values.module), {
  mode: values.mode === 'wasi' ? 'wasi' : 'kubewarden-wapc',
  settings: new Uint8Array(await readFile(values.settings)),
  instances: values.instances === 'fresh' ? 'fresh' : 'reset',
});
const loadMs = performance.now() - startedMs;
const request = new Uint8Array(await readFile(values.request));

const first = await policy.validate('kubernetes', request);
if (first.kind !== 'response') throw new Error(first.message);
await writeFile(values.answer, first.bytes);
say({ loadMs, instances: policy.instances });
for await (const line of createInterface({ input: process.stdin })) say(await round(Number(line)));

async function round(evaluations: number): Promise<object> {
  const latenciesNs = Array.from({ length: evaluations }, () => 0);
  const before = process.cpuUsage();
  for (let index = 0; index < evaluations; index++) {
    const start = performance.now();
    const answer = await policy.validate('kubernetes', request);
    latenciesNs[index] = Math.round((performance.now() - start) * 1e6);
    if (answer.kind !== 'response') throw new Error(answer.message);
  }
  const { user, system } = process.cpuUsage(before);
  return { cpuUs: user + system, maxRssKib: process.resourceUsage().maxRSS, latenciesNs };
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
