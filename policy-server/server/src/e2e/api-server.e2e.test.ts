import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import {
  createAuthority,
  createServerCertificate,
  guestModule,
  missingTool,
  registerWebhook,
  startApiServer,
  startPolicyServer,
} from '@portcullis/testkit';

const PODS = '/api/v1/namespaces/default/pods';
const POD_RULES = [
  { operations: ['CREATE', 'UPDATE', 'DELETE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] },
];

function pod(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'nginx' }] },
  });
}

test(
  'a real API server lets the policy server decide',
  { skip: await missingTool('etcd', 'kube-apiserver') },
  async (t) => {
    const api = await startApiServer();
    t.teardown(() => api.close());
    const authority = await createAuthority('webhook-ca');
    const { cert, key } = await createServerCertificate(authority);
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-tls-'));
    await writeFile(join(folder, 'tls.crt'), cert);
    await writeFile(join(folder, 'tls.key'), key);
    const server = await startPolicyServer({
      scheme: 'https',
      modules: { rust: await guestModule('wapc-rust'), opa: await guestModule('rego-opa') },
      policies: {
        deny: { module: 'rust', settings: { behaviour: 'reject', message: 'pods are not welcome', code: 403 } },
        label: { module: 'rust', settings: { behaviour: 'mutate' }, allowedToMutate: true },
        audit: { module: 'opa', settings: { behaviour: 'reject' }, policyMode: 'monitor' },
      },
      flags: ['--cert-file', join(folder, 'tls.crt'), '--key-file', join(folder, 'tls.key')],
    });
    t.teardown(() => server.stop());

    await t.test('a mutating policy changes what is stored', async (t) => {
      await registerWebhook(api, {
        kind: 'MutatingWebhookConfiguration',
        name: 'label',
        url: `${server.url}/validate/label`,
        authority,
        rules: POD_RULES,
      });
      const created = await eventually(() => api.call('POST', `${PODS}?dryRun=All`, pod('probe')), '"guest":"mutated"');
      t.match(created, '"guest":"mutated"');
      const answer = await api.call('POST', PODS, pod('web'));
      t.equal(answer.status, 201);
      t.equal(JSON.parse(answer.body).metadata.labels.guest, 'mutated');
      t.equal(JSON.parse((await api.call('GET', `${PODS}/web`)).body).metadata.labels.guest, 'mutated');
    });

    await t.test('a policy in monitor mode never stands in the way', async (t) => {
      await registerWebhook(api, {
        kind: 'ValidatingWebhookConfiguration',
        name: 'audit',
        url: `${server.url}/validate/audit`,
        authority,
        rules: POD_RULES,
      });
      const isAsked = (): boolean => /monitor mode/.test(server.program.output());
      for (let count = 0; count < 100 && !isAsked(); count++) {
        t.equal((await api.call('POST', `${PODS}?dryRun=All`, pod('watched'))).status, 201);
        await sleep(100);
      }
      t.ok(isAsked(), 'the webhook is called, and refuses nothing');
      t.equal((await api.call('POST', PODS, pod('watched'))).status, 201);
    });

    await t.test('a denying policy stops the request with its own words', async (t) => {
      await registerWebhook(api, {
        kind: 'ValidatingWebhookConfiguration',
        name: 'deny',
        url: `${server.url}/validate/deny`,
        authority,
        rules: POD_RULES,
      });
      await eventually(() => api.call('POST', `${PODS}?dryRun=All`, pod('probe')), 'pods are not welcome');
      const answer = await api.call('POST', PODS, pod('refused'));
      t.equal(answer.status, 403);
      t.match(
        JSON.parse(answer.body).message,
        'admission webhook "deny.portcullis.test" denied the request: pods are not welcome',
      );
      t.equal((await api.call('GET', `${PODS}/refused`)).status, 404);
    });

    await t.test('a policy that mutates what is being deleted refuses in plain words', async (t) => {
      const answer = await api.call('DELETE', `${PODS}/web?gracePeriodSeconds=0`);
      t.equal(answer.status, 400);
      t.match(JSON.parse(answer.body).message, 'Incoming object is null, which happens only with DELETE operations');
    });

    await t.test('with the policy server gone, failurePolicy Fail refuses', async (t) => {
      await server.stop();
      const answer = await api.call('POST', PODS, pod('orphan'));
      t.equal(answer.status, 500);
      t.match(answer.body, 'failed calling webhook');
    });
  },
);

/** A webhook is called about 0.1 s after its registration. */
async function eventually(call: () => Promise<{ body: string }>, part: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const { body } = await call();
    if (body.includes(part) || attempt === 50) return body;
    await sleep(100);
  }
}
