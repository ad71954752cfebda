import { test } from 'tap';
import { LineBatch } from './line-batch.ts';
import { createLog, logFor, type LogOptions } from './log.ts';
import { createDenialLog, createPolicyLog } from './policy-log.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 13, 5, 9, 42) + 0.7531;

function capture(change: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const log = createLog({ level: 'info', format: 'text', colour: false, write, nowMs: () => NOW_MS, ...change });
  return { lines, log };
}

test('text: the line people and grep know', async (t) => {
  const { lines, log } = capture();
  const http = logFor(log, 'policy_server::http');
  http.info('request evaluated', { policy_id: 'p', allowed: false, response_code: 403, absent: undefined });
  http.error('oh');
  t.same(lines, [
    '2026-11-21T13:05:09.042753Z  INFO policy_server::http: request evaluated policy_id="p" allowed=false response_code=403\n',
    '2026-11-21T13:05:09.042753Z ERROR policy_server::http: oh\n',
  ]);
});

test('json: timestamp, level, fields and target', async (t) => {
  const { lines, log } = capture({ format: 'json' });
  logFor(log, 'policy_log').warn('hel"lo', { data: '{"a":1}', n: 1 });
  t.equal(lines.length, 1);
  t.equal(
    lines[0],
    '{"level":"WARN","timestamp":"2026-11-21T13:05:09.042753Z","fields":{"message":"hel\\"lo","data":"{\\"a\\":1}","n":1},"target":"policy_log"}\n',
  );
});

test('levels below the threshold are not written', async (t) => {
  const { lines, log } = capture({ level: 'warn' });
  const target = logFor(log, 't');
  target.debug('a');
  target.info('b');
  target.warn('c');
  target.error('d');
  t.equal(lines.length, 2);
  t.equal(log.isEnabled('info'), false);
  t.equal(log.isEnabled('error'), true);
});

test('BUG: colour appears when asked for, not when forbidden', async (t) => {
  const plain = capture();
  const coloured = capture({ colour: true });
  for (const { log } of [plain, coloured]) logFor(log, 't').info('x', { k: 'v' });
  t.notOk(plain.lines[0]?.includes('\u001b'));
  t.match(coloured.lines[0], '\u001b[32m INFO\u001b[39m');
});

test('a policy or a client cannot forge log lines or reach the terminal', async (t) => {
  const { lines, log } = capture();
  createPolicyLog(log)({
    policyId: 'p\nq',
    level: 'info',
    message: 'one\n2026-11-21T13:05:09.042753Z ERROR forged\r\u001b[2J\u0085\u2028',
    data: '{}',
  });
  t.equal(lines.length, 1);
  t.equal(lines[0]?.split('\n').length, 2);
  // oxlint-disable-next-line no-control-regex -- control characters must not be there
  t.notMatch(lines[0]?.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u2028]/);
  t.match(lines[0], 'one\\n2026');
});

test('a line of a policy is bounded', async (t) => {
  const { lines, log } = capture();
  createPolicyLog(log)({ policyId: 'p', level: 'info', message: 'x'.repeat(100_000), data: 'y'.repeat(100_000) });
  t.ok((lines[0]?.length ?? 0) < 20_000);
  t.match(lines[0], '… (100000 characters)');
});

test('denials name policy, capability, resource and what is allowed', async (t) => {
  const { lines, log } = capture();
  const denied = createDenialLog(log);
  denied({ policyId: 'p', capability: 'oci/v2/verify', message: 'm', allowed: ['net/*'] });
  denied({
    policyId: 'p',
    capability: 'kubernetes/get_resource',
    resource: { apiVersion: 'v1', kind: 'Pod' },
    message: 'm',
    allowed: [],
  });
  t.match(
    lines[0],
    `ERROR policy_server::capabilities: Policy tried to use a host capability it doesn't have access to policy="p" capability="oci/v2/verify" allowed_capabilities="[\\"net/*\\"]"`,
  );
  t.match(lines[1], 'resource="v1/Pod" allowed_capabilities="[]"');
});

test('the lines of one turn are written in one piece, in order, and none is kept for long', async (t) => {
  const written: string[] = [];
  const turns: (() => void)[] = [];
  {
    using lines = new LineBatch(
      (text) => written.push(text),
      (flush) => turns.push(flush),
    );
    lines.add('a\n');
    lines.add('b\n');
    t.same(written, []);
    turns.shift()?.();
    t.same(written, ['a\nb\n']);
    t.same(turns, [], 'nothing is asked for while nothing is pending');
    lines.add('c\n');
    lines.add('x'.repeat(100_000));
    t.same([written.length, written[1]?.length], [2, 100_002], 'much at once does not wait');
    turns.shift()?.();
    t.equal(written.length, 2, 'an empty turn writes nothing');
    lines.add('d\n');
  }
  t.equal(written[2], 'd\n', 'the rest is written at the end');
});
