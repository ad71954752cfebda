import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { folder, kwctl, withMetadata, type Outcome } from '../../test/kwctl-process.ts';
import { customResource } from './test-custom-resource.ts';

const GET = '{"api_version":"v1","kind":"Namespace","name":"default","disable_cache":false}';
const EXCHANGE = `- type: Exchange
  request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: default
    namespace: null
    disable_cache: false
    field_masks: null
  response:
    type: Success
    payload: '{"metadata":{"name":"default"}}'
`;

test('replay: answered, mismatched, exhausted, left over, denied before', async (t) => {
  const cwd = await folder(t);
  const resources = [{ apiVersion: 'v1', kind: 'Namespace' }];
  writeFileSync(
    join(cwd, 'p.wasm'),
    withMetadata(await guestModule('wapc-rust'), { contextAwareResources: resources }),
  );
  writeFileSync(join(cwd, 's.yml'), EXCHANGE);
  writeFileSync(join(cwd, 'more.yml'), EXCHANGE + EXCHANGE);
  writeFileSync(join(cwd, 'empty.yml'), '');
  const settings = (payload: string): string =>
    JSON.stringify({ behaviour: 'host-call', namespace: 'kubernetes', operation: 'get_resource', payload });
  const ask = async (session: string, more: string[] = ['--allow-context-aware'], payload = GET): Promise<Outcome> =>
    kwctl(
      [
        'run',
        '-r',
        'review.json',
        '--settings-json',
        settings(payload),
        '--replay-host-capabilities-interactions',
        session,
        ...more,
        'p.wasm',
      ],
      { cwd },
    );
  const message = ({ stdout }: Outcome): unknown =>
    (JSON.parse(stdout) as { status: { message: string } }).status.message;

  const answered = await ask('s.yml');
  t.equal(message(answered), '{"metadata":{"name":"default"}}');
  t.match(
    answered.stderr,
    /INFO kwctl::callback_handler: host capabilities proxy enabled with replay mode session_file="s\.yml"/,
  );
  t.notMatch(answered.stderr, /have not been replayed/);
  t.match(
    (await ask('more.yml')).stderr,
    /WARN kwctl::callback_handler: Some of the recorded exchanges have not been replayed exchanges=\[KubernetesGetResource \{ api_version: "v1"/,
  );
  t.match(message(await ask('empty.yml')), /Callback evaluation failure: the list of recorded responses is empty$/);
  t.match(
    message(await ask('s.yml', ['--allow-context-aware'], GET.replace('default', 'other'))),
    /Callback evaluation failure: Replay error: unexpected request\. Was expecting KubernetesGetResource \{ .*name: "default".* \}, got KubernetesGetResource \{ .*name: "other", namespace: None, disable_cache: false, field_masks: None \} instead$/,
  );
  const denied = await ask('s.yml', []);
  t.match(
    message(denied),
    /Policy has not been granted access to Kubernetes v1\/Namespace resources\. The violation has been reported\.$/,
  );
  t.match(
    denied.stderr,
    /WARN kwctl::run: Policy requires access to Kubernetes resources[^]*ERROR .*has not been granted access/,
  );
  const gated = await ask('s.yml', ['--allow-context-aware', '--allowed-host-capabilities', 'oci/*', '--']);
  t.match(message(gated), /has not been granted access to the 'kubernetes\/get_resource' host capability/);
  const none = await ask('s.yml', ['--allow-context-aware', '--allowed-host-capabilities', '--disable-wasmtime-cache']);
  t.match(message(none), /has not been granted access to the 'kubernetes/, 'no value denies all');

  const live = await kwctl(['run', '-r', 'review.json', '--allow-context-aware', 'p.wasm'], { cwd });
  t.match(live, { code: 1, stdout: '', stderr: /this release does not connect to clusters/ });
});

test('a session that was recorded replays to the same stdout, over several documents too', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const settings = {
    behaviour: 'host-call',
    namespace: 'net',
    operation: 'v1/dns_lookup_host',
    payload: '"127.0.0.1"',
  };
  const refused = { ...settings, namespace: 'oci', operation: 'v1/manifest_digest', payload: '"localhost:1/img:v1"' };
  writeFileSync(join(cwd, 'one.yaml'), customResource('ClusterAdmissionPolicy', 'one', { module, settings }));
  writeFileSync(
    join(cwd, 'two.yaml'),
    `${customResource('ClusterAdmissionPolicy', 'one', { module, settings })}---\n${customResource('ClusterAdmissionPolicy', 'two', { module, settings: refused })}`,
  );
  const run = ['run', '-r', 'review.json'];
  const recorded = await kwctl([...run, '--record-host-capabilities-interactions', 'rec.yml', 'one.yaml'], { cwd });
  t.match(recorded, {
    code: 0,
    stderr: /INFO kwctl::callback_handler: Context aware session saved to file destination="rec\.yml"/,
  });
  t.equal(
    readFileSync(join(cwd, 'rec.yml'), 'utf8'),
    `- type: Exchange\n  request: |\n    !DNSLookupHost\n    host: 127.0.0.1\n  response:\n    type: Success\n    payload: '{"ips":["127.0.0.1"]}'\n`,
  );
  const replayed = await kwctl([...run, '--replay-host-capabilities-interactions', 'rec.yml', 'one.yaml'], { cwd });
  t.equal(replayed.stdout, recorded.stdout);

  const live = await kwctl([...run, '--record-host-capabilities-interactions', 'both.yml', 'two.yaml'], { cwd });
  const both = readFileSync(join(cwd, 'both.yml'), 'utf8');
  t.match(
    both,
    /!DNSLookupHost[^]*!OciManifestDigest\n {4}image: localhost:1\/img:v1\n {2}response:\n {4}type: Error\n {4}message: [^]*localhost:1/,
  );
  const replay = ['--replay-host-capabilities-interactions', 'both.yml'];
  const again = await kwctl([...run, ...replay, 'two.yaml'], { cwd });
  t.equal(again.stdout, live.stdout, 'FIX: the second policy goes on where the first one stopped');
  t.notMatch(again.stderr, /have not been replayed/);
  const policy = readFileSync(join(cwd, 'one.yaml'), 'utf8');
  writeFileSync(join(cwd, 'same.yaml'), `${policy}---\n${policy}`);
  const same = await kwctl([...run, '--replay-host-capabilities-interactions', 'rec.yml', 'same.yaml'], { cwd });
  t.equal(
    same.stdout,
    recorded.stdout + recorded.stdout,
    'a session of one policy answers each as if it were the only one',
  );
  const alone = await kwctl([...run, ...replay, 'one.yaml'], { cwd });
  t.match(alone.stderr, /have not been replayed exchanges=\[OciManifestDigest \{ image: "localhost:1\/img:v1" \}\]/);

  const denied = [
    ...run,
    '--record-host-capabilities-interactions',
    'denied.yml',
    '--allowed-host-capabilities',
    '--',
    'one.yaml',
  ];
  t.equal((await kwctl(denied, { cwd })).code, 0);
  t.equal(readFileSync(join(cwd, 'denied.yml'), 'utf8'), '[]\n', 'denied calls are not recorded');
  const unwritable = [...run, '--record-host-capabilities-interactions', 'no/such/dir.yml', 'one.yaml'];
  t.match(await kwctl(unwritable, { cwd }), {
    code: 0,
    stdout: recorded.stdout,
    stderr: /ERROR kwctl::callback_handler: Cannot save/,
  });
});
