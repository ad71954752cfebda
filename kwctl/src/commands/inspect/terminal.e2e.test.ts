import { policyModule } from '@portcullis/testkit';
import { test } from 'tap';
import { kwctl } from '../../test/kwctl-process.ts';
import { kwctlOnTerminal, skipTerminal, type TerminalCall } from '../../test/kwctl-terminal.ts';

const USAGE = `# Title\n\n${'word '.repeat(40)}\n`;
const MODULE = await policyModule({ metadata: { annotations: { x: '', 'io.kubewarden.policy.usage': USAGE } } });
// oxlint-disable-next-line no-control-regex -- the marks of a terminal are what is looked for
const STYLED = /\u001b\[1m([^\u001b]+)\u001b\[0m/g;

test('inspect on a terminal: titles stand out, and lines are as wide as it is', { skip: skipTerminal }, async (t) => {
  const cwd = t.testdir({ 'p.wasm': Buffer.from(MODULE) });
  const inspect = async (call: Omit<TerminalCall, 'cwd'>, ...flags: string[]): Promise<string> =>
    (await kwctlOnTerminal([...flags, 'inspect', 'p.wasm'], { cwd, ...call })).replaceAll('\r\n', '\n');
  const { stdout: plain } = await kwctl(['inspect', 'p.wasm'], { cwd });

  const shown = await inspect({});
  t.same(
    Array.from(shown.matchAll(STYLED), ([, title]) => title),
    ['Details', 'Annotations', 'Rules', 'Usage'],
  );
  t.equal(shown.replaceAll(STYLED, '$1'), plain, 'nothing else differs');
  t.equal(await inspect({}, '--no-color'), plain);
  t.equal(await inspect({ env: { NO_COLOR: '1' } }), plain);
  t.equal(await inspect({ env: { TERM: 'dumb' } }), plain);
  t.equal(await inspect({ columns: 0 }, '--no-color'), plain, 'a terminal without columns has 80');
  const narrow = await inspect({ columns: 40 }, '--no-color');
  t.match(narrow, `\n${'―'.repeat(40)}\nTitle\n\n${'word '.repeat(8).trim()}\n`);
});
