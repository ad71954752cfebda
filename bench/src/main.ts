import { join } from 'node:path';
import { type Bench, BenchError } from './bench.ts';

/** Every bench by name; each is loaded only when it is asked for. */
const BENCHES = {
  engine: async () => (await import('./engine/engine.ts')).engine,
  gate: async () => (await import('./gate/gate.ts')).gate,
  hop: async () => (await import('./hop/hop.ts')).hop,
  http: async () => (await import('./http/http.ts')).http,
  kwctl: async () => (await import('./kwctl.ts')).kwctl,
  memory: async () => (await import('./memory/memory.ts')).memory,
  soak: async () => (await import('./soak/soak.ts')).soak,
  startup: async () => (await import('./startup/startup.ts')).startup,
  tail: async () => (await import('./tail/tail.ts')).tail,
} as const satisfies Record<string, () => Promise<Bench>>;

const RESULTS_DIR = join(import.meta.dirname, '../results');
const NO_RESULTS = '--no-results';

async function usage(): Promise<string> {
  const lines = ['usage: pnpm bench <name> [flags]', ''];
  for (const [name, load] of Object.entries<() => Promise<Bench>>(BENCHES)) {
    const { summary, flags = [] } = await load();
    lines.push(`  ${name.padEnd(9)} ${summary}`, ...flags.map((flag) => `            ${flag}`));
  }
  return [...lines, '', `  ${NO_RESULTS} keeps nothing in bench/results`].join('\n');
}

async function main([name = '', ...rest]: readonly string[]): Promise<number> {
  const load = Object.entries<() => Promise<Bench>>(BENCHES).find(([known]) => known === name)?.[1];
  if (load === undefined) {
    process.stderr.write(`${await usage()}\n`);
    return 2;
  }
  const bench = await load();
  try {
    await bench.run({
      args: rest.filter((arg) => arg !== NO_RESULTS),
      resultsDir: rest.includes(NO_RESULTS) ? undefined : RESULTS_DIR,
      command: ['pnpm bench', name, ...rest].join(' '),
      print: (line) => void process.stdout.write(`${line}\n`),
    });
    return 0;
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
