import { readFileSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { CommandContext } from '../environment.ts';
import { createApiClient } from './api-client.ts';
import { discoverResources } from './discovery.ts';
import { findResource, parseCatalog, stringifyCatalog } from './resource-catalog.ts';
import { lookUpResource } from './resource-lookup.ts';
import { environment, kubeconfig, served } from './test-cluster.ts';

const POD = { group: '', version: 'v1', kind: 'Pod' };
const CORE = {
  resources: [
    { name: 'pods', kind: 'Pod', namespaced: true, singularName: 'pod', verbs: ['get'] },
    { name: 'pods/log', kind: 'Pod', namespaced: true },
    { name: 'nodes', kind: 'Node', namespaced: false },
  ],
};

function apiServer(answers: Record<string, unknown>, asked: string[] = []): RequestListener {
  return (request, response) => {
    asked.push(request.url ?? '');
    const answer = answers[request.url ?? ''];
    if (answer === undefined) response.writeHead(503);
    response.end(JSON.stringify(answer ?? { message: 'unavailable' }));
  };
}

const GROUPS = {
  groups: [
    {
      name: 'a',
      preferredVersion: { groupVersion: 'a/v2' },
      versions: [{ groupVersion: 'a/v2' }, { groupVersion: 'a/v1' }],
    },
    { name: 'broken', versions: [{ groupVersion: 'metrics.k8s.io/v1beta1' }] },
    { name: 'evil', versions: [{ groupVersion: '../../secrets/x' }] },
    { name: 'evil', versions: [{ groupVersion: 'e/v1?watch=true' }] },
    { name: 'empty', versions: [] },
  ],
};

test('discovery asks for v1, preferred versions and the wanted one, and for nothing else', async (t) => {
  const asked: string[] = [];
  const list = (kind: string): unknown => ({ resources: [{ name: `${kind}s`, kind, namespaced: true }] });
  const answers = { '/api/v1': CORE, '/apis': GROUPS, '/apis/a/v2': list('new'), '/apis/a/v1': list('old') };
  const access = await served(t, apiServer(answers, asked));
  const client = createApiClient(access, { env: {} });
  t.teardown(() => client[Symbol.dispose]());
  const logged: string[] = [];
  const log = ({ message }: { message: string }): void => void logged.push(message);
  const catalog = await discoverResources(client, { group: 'a', version: 'v1' }, log);
  t.same([...catalog.keys()].sort(), ['a|v1|old', 'a|v2|new', '|v1|Node', '|v1|Pod']);
  t.same(asked.sort(), ['/api/v1', '/apis', '/apis/a/v1', '/apis/a/v2', '/apis/metrics.k8s.io/v1beta1']);
  t.match(logged, [/^left out \/apis\/metrics.k8s.io\/v1beta1: .* status 503: unavailable$/]);
  t.same(findResource(catalog, POD), { plural: 'pods', isNamespaced: true });
  t.same(findResource(catalog, { ...POD, kind: 'Node' }), { plural: 'nodes', isNamespaced: false });
  t.equal(findResource(catalog, { group: 'a', version: 'v2', kind: 'old' }), undefined);

  asked.length = 0;
  await discoverResources(client, POD, log);
  t.notOk(asked.includes('/apis/a/v1'), 'not wanted, not asked');
});

test('a cluster that answers slowly or with very much is not waited for, and its catalog not kept', async (t) => {
  const versions = Array.from({ length: 300 }, (_, index) => ({ versions: [{ groupVersion: `g${index}/v1` }] }));
  const slow = await served(t, (request, response) => {
    const answer = request.url === '/api/v1' ? CORE : { groups: versions };
    setTimeout(() => response.end(JSON.stringify(answer)), request.url?.startsWith('/apis/') === true ? 50 : 0);
  });
  const resources = { resources: [{ name: 'x'.repeat(1000), kind: 'X', namespaced: true }] };
  const large = await served(t, (request, response) => {
    response.end(JSON.stringify(request.url === '/apis' ? { groups: versions } : resources));
  });
  for (const [access, limits] of [
    [slow, { totalTimeoutMs: 300 }],
    [large, { maxTotalBytes: 100_000 }],
  ] as const) {
    const client = createApiClient(access, { env: {}, limits });
    const catalog = discoverResources(client, POD, () => {});
    await t.rejects(catalog, { message: /^the API server did not answer in time, or with too much/ });
    client[Symbol.dispose]();
  }
});

test('hostile lists of an API server are refused, and damaged catalogs read or refused', async (t) => {
  for (const answers of [
    { '/api/v1': [], '/apis': GROUPS },
    { '/api/v1': { resources: [{ name: 1, kind: 'Pod' }] }, '/apis': GROUPS },
    { '/api/v1': CORE, '/apis': { groups: 'all' } },
    { '/api/v1': CORE, '/apis': { groups: [{ versions: [{}] }] } },
  ]) {
    const client = createApiClient(await served(t, apiServer(answers)), { env: {} });
    await t.rejects(
      discoverResources(client, POD, () => {}),
      { code: 'cluster-unusable', message: /^the API server's list of \S+ cannot be understood: / },
    );
    client[Symbol.dispose]();
  }
  const strange = parseCatalog(
    Buffer.from('{"resources":{"|v1|Pod":{"name":7,"namespaced":true},"|v1|Node":[],"__proto__":{"name":"x"}}}'),
  );
  t.equal(findResource(strange, POD), undefined);
  t.equal(findResource(strange, { ...POD, kind: 'Node' }), undefined);
  const text = Buffer.from(stringifyCatalog(new Map([['|v1|Pod', new Map([['name', 'pods']])]])));
  t.equal(text.toString(), '{"resources":{"|v1|Pod":{"name":"pods"}}}');
  const random = randomFrom(9);
  let understood = 0;
  for (let round = 0; round < 1000; round++) {
    try {
      findResource(
        parseCatalog(
          damage(
            text,
            random,
            ['{', '"', ',', '[1]', '\\'].map((piece) => Buffer.from(piece)),
          ),
        ),
        POD,
      );
      understood++;
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'JsonError') throw error;
    }
  }
  t.ok(understood > 20 && understood < 900, `${understood} understood`);
});

test('FIX: the catalog is kept only when a cluster answered, and asked for once when a kind is missing', async (t) => {
  const asked: string[] = [];
  const answers: Record<string, unknown> = { '/api/v1': CORE, '/apis': { groups: [] } };
  const { server } = await served(t, apiServer(answers, asked));
  const home = t.testdir({});
  const config = (url: string): void =>
    writeFileSync(join(home, 'config'), kubeconfig({ cluster: `server: "${url}"`, user: '' }));
  const env = { KUBECONFIG: join(home, 'config'), XDG_CACHE_HOME: join(home, 'cache') };
  const warnings: string[] = [];
  const context: CommandContext = {
    environment: environment(home, env),
    log: ({ level, message }) => void (level === 'warn' && warnings.push(message)),
  };
  const file = join(home, 'cache', 'kubewarden', 'kwctl', 'resource_catalog.json');

  config('http://127.0.0.1:1');
  t.equal(await lookUpResource(POD, context), undefined);
  t.match(warnings.splice(0), [/^The plural name of v1\/Pod is not known, .*: the API server at .*ECONNREFUSED/]);
  t.throws(() => readFileSync(file), { code: 'ENOENT' }, 'nothing is kept of a cluster that did not answer');

  config(server.href);
  t.same(await lookUpResource(POD, context), { plural: 'pods', isNamespaced: true });
  const [core] = CORE.resources;
  t.same(JSON.parse(readFileSync(file, 'utf8')).resources['|v1|Pod'], core, 'as it was served');
  config('http://127.0.0.1:1');
  t.same(await lookUpResource(POD, context), { plural: 'pods', isNamespaced: true }, 'offline, from what was kept');
  config(server.href);
  asked.length = 0;
  t.equal(await lookUpResource({ group: 'g', version: 'v1', kind: 'New' }, context), undefined);
  t.same(asked, ['/api/v1', '/apis'], 'refreshed once');
  t.match(warnings.splice(0), [/^The plural name of g\/v1\/New .*: the cluster does not serve it$/]);
  writeFileSync(file, '{"resources":');
  t.same(await lookUpResource(POD, context), { plural: 'pods', isNamespaced: true }, 'a broken catalog is made again');
  t.same(JSON.parse(readFileSync(file, 'utf8')).resources['|v1|Pod'], core);
  t.same(warnings, []);
});
