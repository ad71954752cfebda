import { startup } from './startup.ts';

const BENCHES = { startup } as const;

const name = process.argv[2];
const bench = Object.entries(BENCHES).find(([known]) => known === name)?.[1];
const print = (line: string): void => void process.stdout.write(`${line}\n`);
if (bench === undefined) {
  process.stderr.write(
    `usage: pnpm bench <name> – expected one of ${Object.keys(BENCHES).join(', ')}, got ${name ?? 'nothing'}\n`,
  );
  process.exitCode = 2;
} else {
  await bench(print);
}
