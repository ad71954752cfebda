import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'tap';
import { folder, kwctl, line, type Outcome } from '../../test/kwctl-process.ts';
import { customResource } from './test-custom-resource.ts';

test('YAML files: one line per policy, in order, up to the first that cannot be asked', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const good = customResource('ClusterAdmissionPolicy', 'one', { module, mutating: true });
  const bad = customResource('AdmissionPolicy', 'two', { module, settings: { valid: false, message: 'two is wrong' } });
  writeFileSync(join(cwd, 'two.yaml'), `${good}---\n${good}`);
  writeFileSync(join(cwd, 'bad.yml'), `${good}---\n${bad}---\n${good}`);
  const two = await kwctl(['run', '-r', 'review.json', '--settings-json', '{"behaviour":"reject"}', 'two.yaml'], {
    cwd,
  });
  t.match(two, { code: 0, stdout: line(true) + line(true) });
  t.match(
    two.stderr,
    /INFO kwctl::run: The settings given on the command line are ignored.*\n.* WARN kwctl::run: Multiple policies/,
  );
  const url = pathToFileURL(join(cwd, 'two.yaml')).href;
  t.match(
    await kwctl(['run', '-r', 'review.json', url], { cwd }),
    { code: 0, stdout: line(true) + line(true) },
    'file:// works',
  );
  const stopped = await kwctl(['run', '-r', 'review.json', 'bad.yml'], { cwd });
  t.match(stopped, { code: 1, stdout: line(true) });
  t.match(stopped.stderr, /Error: Provided settings are not valid: two is wrong\n$/);
});

test('YAML files: monitor mode, forbidden mutation, custom message', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const ask = async (spec: Record<string, unknown>): Promise<Outcome> => {
    const file = `${Object.keys(spec).join('-')}-${JSON.stringify(spec).length}.yaml`;
    writeFileSync(join(cwd, file), customResource('ClusterAdmissionPolicy', 'psp', { module, ...spec }));
    return kwctl(['run', '-r', 'review.json', file], { cwd });
  };
  const reject = { behaviour: 'reject', message: 'original', code: 403 };
  const monitored = await ask({ mode: 'monitor', settings: reject });
  t.equal(monitored.stdout, line(true));
  t.match(
    monitored.stderr,
    /INFO kwctl::run: policy evaluation \(monitor mode\) policy_id="psp" response=\{"uid":".*"allowed":false/,
  );
  t.equal((await ask({ mode: 'monitor', mutating: true, settings: { behaviour: 'mutate' } })).stdout, line(true));
  t.equal(
    (await ask({ mutating: false, settings: { behaviour: 'mutate' } })).stdout,
    line(
      false,
      ',"status":{"message":"Request rejected by policy psp. The policy attempted to mutate the request, but it is currently configured to not allow mutations."}',
    ),
  );
  t.match((await ask({ mutating: true, settings: { behaviour: 'mutate' } })).stdout, '"patchType":"JSONPatch"');
  t.equal(
    (await ask({ message: 'custom msg', settings: reject })).stdout,
    line(
      false,
      ',"status":{"message":"custom msg","details":{"causes":[{"reason":null,"message":"original","field":null}]},"code":403}',
    ),
  );
});

test('groups: allowed, denied with causes, mutation refused, expression and settings checked', async (t) => {
  const cwd = await folder(t, 'wapc-rust', 'rego-gatekeeper');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const gatekeeper = pathToFileURL(join(cwd, 'rego-gatekeeper.wasm')).href;
  let files = 0;
  const ask = async (expression: string, settings: Record<string, Record<string, unknown>>): Promise<Outcome> => {
    const policies = Object.fromEntries(
      Object.entries(settings).map(([name, one]) => [name, { module, settings: one }]),
    );
    if ('rego' in policies) policies['rego'] = { ...policies['rego'], module: gatekeeper };
    const file = `group-${++files}.yaml`;
    writeFileSync(
      join(cwd, file),
      customResource('ClusterAdmissionPolicyGroup', 'g1', { expression, message: 'group says no', policies }),
    );
    return kwctl(['run', '-r', 'review.json', file], { cwd });
  };
  const no = { behaviour: 'reject', message: 'member says no' };
  t.equal((await ask('yes() && true', { yes: {} })).stdout, line(true));
  t.equal((await ask('yes() && rego()', { yes: {}, rego: {} })).stdout, line(true), 'modes may differ');
  t.equal(
    (await ask('yes() && no()', { yes: {}, no })).stdout,
    line(
      false,
      ',"status":{"message":"group says no","details":{"causes":[{"reason":null,"message":"member says no","field":"spec.policies.no"}]}}',
    ),
  );
  t.equal((await ask('!yes()', { yes: {} })).stdout, line(false, ',"status":{"message":"group says no","details":{}}'));
  t.match((await ask('m()', { m: { behaviour: 'mutate' } })).stdout, 'mutation is not allowed inside of policy group');
  const nope = await ask('nope()', { yes: {} });
  t.match(nope, {
    code: 1,
    stdout: '',
    stderr: 'Error: Provided settings are not valid: g1: Function not found: nope () (line 1, position 1)\n',
  });
  t.match(await ask('yes() &&', { yes: {} }), {
    code: 1,
    stderr: /^Error: Provided settings are not valid: g1: Syntax error: /,
  });
  const wrong = { valid: false, message: 'bad' };
  t.match(await ask('a() && b()', { a: wrong, b: wrong }), {
    code: 1,
    stderr:
      'Error: Provided settings are not valid: g1/a: settings not valid: Policy settings are invalid: bad, g1/b: settings not valid: Policy settings are invalid: bad\n',
  });
});
