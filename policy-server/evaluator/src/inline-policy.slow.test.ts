import { test } from 'tap';
import { decodeUtf8, encodeUtf8 } from '@portcullis/protocol';
import { guestModule } from '@portcullis/testkit';
import { EvaluationError, openInlinePolicy } from './index.ts';

const REQUEST = encodeUtf8('{"uid":"1","object":{"metadata":{"name":"p"}}}');

test('a policy on the calling thread answers as in a pool, each time from a clean slate', async (t) => {
  const bytes = await guestModule('wapc-assemblyscript');
  for (const instances of ['fresh', 'reset'] as const) {
    const settings = encodeUtf8('{"behaviour":"counter"}');
    const policy = await openInlinePolicy(bytes, { mode: 'kubewarden-wapc', settings, instances });
    for (const round of [1, 2, 3]) {
      const answer = bytesOf(await policy.validate('kubernetes', REQUEST));
      t.match(JSON.parse(decodeUtf8(answer)), { accepted: false, message: '1' }, `${instances}, round ${round}`);
    }
    if (instances === 'fresh') t.equal(policy.instances.kind, 'fresh');
  }
});

test('a policy on the calling thread judges its settings and gets its host calls answered', async (t) => {
  const bytes = await guestModule('wapc-assemblyscript');
  const refused = await openInlinePolicy(bytes, { mode: 'kubewarden-wapc', settings: encodeUtf8('{"valid":false}') });
  t.match(JSON.parse(decodeUtf8(bytesOf(await refused.validateSettings()))), { valid: false });

  const asking = encodeUtf8(
    '{"behaviour":"host-call","namespace":"net","operation":"v1/dns_lookup_host","payload":"\\"example.com\\""}',
  );
  const options = { mode: 'kubewarden-wapc', settings: asking } as const;
  const alone = await openInlinePolicy(bytes, options);
  t.match(decodeUtf8(bytesOf(await alone.validate('kubernetes', REQUEST))), 'host calls are refused');
  const answered = await openInlinePolicy(bytes, { ...options, hostCall: async () => encodeUtf8('"hello"') });
  t.match(JSON.parse(decodeUtf8(bytesOf(await answered.validate('kubernetes', REQUEST)))), { message: '"hello"' });
});

test('a module that is no policy is refused as everywhere', async (t) => {
  const opened = openInlinePolicy(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), {
    mode: 'kubewarden-wapc',
    settings: encodeUtf8('{}'),
  });
  await t.rejects(opened, EvaluationError);
});

function bytesOf(answer: Awaited<ReturnType<Awaited<ReturnType<typeof openInlinePolicy>>['validate']>>): Uint8Array {
  return answer.kind === 'response' ? answer.bytes : encodeUtf8(answer.message);
}
