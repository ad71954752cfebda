import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { folder, kwctl, line, withoutMetadata, type Outcome } from '../../test/kwctl-process.ts';

test('an unannotated module is a waPC policy, silently; -e kubewarden and kubewarden-wapc both mean it', async (t) => {
  const cwd = await folder(t);
  const annotated = await guestModule('wapc-rust');
  const echo = await watModule('(module (memory (export "memory") 1) (func (export "_start")))');
  writeFileSync(join(cwd, 'wasi.wasm'), echo);
  writeFileSync(join(cwd, 'plain.wasm'), withoutMetadata(annotated));
  for (const mode of [[], ['-e', 'kubewarden'], ['-e', 'kubewarden-wapc']]) {
    t.same(await kwctl(['run', 'plain.wasm', ...mode, '-r', 'review.json'], { cwd }), {
      code: 0,
      stdout: line(true),
      stderr: '',
    });
  }
  const url = pathToFileURL(join(cwd, 'plain.wasm')).href;
  t.match(await kwctl(['run', '-r', 'review.json', url], { cwd }), { code: 0, stdout: line(true) });
  t.match(await kwctl(['run', '-r', 'review.json', 'wasi.wasm'], { cwd }), {
    code: 1,
    stderr: /not exported by wasm module/,
  });
});

test('an OPA policy without metadata is not run as Gatekeeper policy: it would allow what it rejects', async (t) => {
  const cwd = await folder(t);
  writeFileSync(join(cwd, 'opa.wasm'), withoutMetadata(await guestModule('rego-opa')));
  writeFileSync(join(cwd, 'gatekeeper.wasm'), withoutMetadata(await guestModule('rego-gatekeeper')));
  const ask = async (policy: string, ...mode: string[]): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', ...mode, '--settings-json', '{"behaviour":"reject"}', policy], { cwd });
  t.match(await ask('opa.wasm', '-e', 'gatekeeper'), { code: 1, stdout: '', stderr: /no entrypoint named violation/ });
  t.match(await ask('opa.wasm', '-e', 'opa'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('gatekeeper.wasm', '-e', 'gatekeeper'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('gatekeeper.wasm', '-e', 'opa'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('opa.wasm'), { code: 1, stderr: /please specify which Opa runtime has to be used/ });
});
