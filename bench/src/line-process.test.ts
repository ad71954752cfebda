import { test } from 'tap';
import { LineProcess } from './line-process.ts';

const DOUBLER = `process.stdin.on('data', (line) => console.log(Number(line) * 2))`;

test('a line process answers line by line and ends with its input', async (t) => {
  await using child = new LineProcess(process.execPath, ['-e', DOUBLER]);
  t.equal(await child.ask('21'), 42);
  t.equal(await child.ask('4'), 8);
});

test('a line process that fails says what it complained of', async (t) => {
  await using child = new LineProcess(process.execPath, ['-e', 'console.error("no such module"); process.exit(3)']);
  await t.rejects(child.next(), /no such module/);
});

test('a program that is not there is an error, not a hang', async (t) => {
  await using child = new LineProcess('/nowhere/at-all', []);
  await t.rejects(child.next(), /ENOENT/);
});
