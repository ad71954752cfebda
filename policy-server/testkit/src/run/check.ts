import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { borderViolations } from './borders.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const BIN = join(ROOT, 'node_modules', '.bin');

interface Step {
  readonly name: string;
  run(): Promise<{ ok: boolean; output: string }>;
}

function program(name: string, ...args: string[]): Step {
  return {
    name,
    run: async () => {
      const child = spawn(join(BIN, name), args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
      const output: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      return { ok: code === 0, output: Buffer.concat(output).toString() };
    },
  };
}

const STEPS: readonly Step[] = [
  program('oxfmt', '--check'),
  program('oxlint', '--type-aware', '--deny-warnings'),
  program('tsc', '-p', 'tsconfig.json'),
  program('knip', '--no-config-hints'),
  {
    name: 'package borders',
    run: async () => {
      const violations = await borderViolations(ROOT);
      return { ok: violations.length === 0, output: violations.join('\n') };
    },
  },
];

/** Format, lint, types, unused code and package borders; prints what is wrong and answers whether all is well. */
export async function check(): Promise<boolean> {
  const results = await Promise.all(
    STEPS.map(async (step) => {
      const startedMs = Date.now();
      return { step, ...(await step.run()), ms: Date.now() - startedMs };
    }),
  );
  for (const { step, ok, output, ms } of results) {
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${step.name} (${(ms / 1000).toFixed(1)} s)\n`);
    if (!ok) process.stdout.write(`${output.trimEnd()}\n`);
  }
  return results.every(({ ok }) => ok);
}

if (process.argv[1] === import.meta.filename && !(await check())) process.exitCode = 1;
