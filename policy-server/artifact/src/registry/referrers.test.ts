import { OCI_INDEX, OCI_MANIFEST } from '@portcullis/testkit';
import { test } from 'tap';
import { serveRegistry } from '../transport/test/test-server.ts';
import { at, MANIFEST, openClient, REPOSITORY, sha256 } from './test/test-client.ts';

test('referrers: the API with its pages, else the fallback tag', async (t) => {
  const registry = await serveRegistry(t);
  const { client } = openClient(t, { insecure: [registry.host] });
  const where = at(registry);
  const subject = sha256('subject');
  const api = `/v2/${REPOSITORY}/referrers/${subject}`;
  const entry = (name: string): object => ({
    mediaType: OCI_MANIFEST,
    digest: sha256(name),
    size: 1,
    artifactType: 'application/x',
    annotations: { __proto__: null, name },
  });
  const list = (...names: string[]): object => ({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: names.map(entry),
  });
  const names = async (): Promise<unknown[]> =>
    (await client.referrers(where, subject)).map(({ annotations }) => annotations.get('name'));

  t.same(await names(), [], 'neither API nor tag');
  registry.serveManifest(REPOSITORY, list('tagged'), OCI_INDEX, [subject.replace(':', '-')]);
  for (const status of [404, 400, 403, 405, 501]) {
    registry.route('GET', api, { status });
    t.same(await names(), ['tagged'], `API answers ${status}`);
  }
  registry.route('GET', api, { headers: { 'content-type': 'text/html' }, body: '<html>' });
  t.same(await names(), ['tagged'], 'a web interface is no API');

  const json = (names_: string[], link?: string) => ({
    headers: { 'content-type': OCI_INDEX, ...(link === undefined ? {} : { link }) },
    body: { ...list(...names_) },
  });
  registry.route('GET', api, ({ query }) => {
    const page = query.get('page') ?? '1';
    if (page === '1') return json(['a', 'b'], `<${api}?page=2>; rel="next"`);
    if (page === '2') return json(['c'], `<https://${registry.host}${api}?page=3>; rel=next`);
    return json(['d'], `<${api}>; rel="first"`);
  });
  t.same(await names(), ['a', 'b', 'c', 'd']);
  registry.route('GET', api, json([]));
  t.same(await names(), [], 'an empty list is an answer');
  registry.route('GET', api, json(['a'], `<${api}?again>; rel="next"`));
  await t.rejects(names(), { code: 'answer-invalid', message: /does not end/ });
  registry.route('GET', api, json(['a'], '<https://elsewhere.test/v2/>; rel="next"'));
  await t.rejects(names(), { code: 'answer-invalid', message: /goes on at another host/ });
  registry.route('GET', api, json(Array.from({ length: 1001 }, (_, index) => `n${index}`)));
  await t.rejects(names(), { code: 'answer-invalid', message: /at most 1000 entries/ });
  registry.route('GET', api, { status: 500 });
  await t.rejects(names(), { code: 'registry-refused' }, 'trouble is not "there are none"');
  registry.route('GET', api, { body: { ...MANIFEST } });
  await t.rejects(names(), { code: 'answer-invalid', message: /no image index/ });
  const sha512 = `sha512:${'a'.repeat(128)}`;
  registry.serveManifest(REPOSITORY, list('long'), OCI_INDEX, [`sha512-${'a'.repeat(64)}`]);
  t.equal((await client.referrers(where, sha512)).length, 1, 'a tag has 128 characters at most');
});
