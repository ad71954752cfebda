import { OCI_MANIFEST } from '@portcullis/testkit';
import { test } from 'tap';
import { tls, trusting } from '../transport/test/test-authority.ts';
import { serveRegistry } from '../transport/test/test-server.ts';
import { at, MANIFEST, openClient, REPOSITORY, type ClientGiven, type OpenedClient } from './test/test-client.ts';

test('Basic: the password goes to the registry that asks, in every request', async (t) => {
  const registry = await serveRegistry(t, { tls, basicAuth: { user: 'alice', password: 'pä:ss' } });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'pä:ss' } as const };
  const { client, looked } = openClient(t, { authorities: trusting(registry.host), credentials });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(await client.digest(at(registry)), digest);
  t.equal(registry.count('GET', '/v2/'), 1, 'one question what is asked for');
  t.equal(looked.length, 1, 'one look-up of the credential');
  const wrong = openClient(t, {
    authorities: trusting(registry.host),
    credentials: { [registry.host]: { kind: 'basic', username: 'alice', password: 'wrong-secret' } },
  });
  await t.rejects(wrong.client.digest(at(registry)), {
    code: 'not-authorized',
    status: 401,
    message: `Fail to interact with OCI registry: Not authorized: url ${registry.url}/v2/${REPOSITORY}/manifests/v1 – log in, or check the credentials for this host in the docker config`,
  });
  const token = { [registry.host]: { kind: 'identity-token', token: 'hush-hush' } as const };
  const identity = openClient(t, { authorities: trusting(registry.host), credentials: token });
  await t.rejects(identity.client.digest(at(registry)), { code: 'not-authorized', message: /only an identity token/ });
  const anonymous = openClient(t, { authorities: trusting(registry.host) });
  await t.rejects(anonymous.client.manifest(at(registry)), { code: 'not-authorized' });
  t.notMatch(JSON.stringify([wrong.records, identity.records]), /wrong-secret|hush-hush/);
});

test('Bearer: a token for the repository and what is done with it, kept until it runs out', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serveRegistry(t, {
    tls,
    tokens: { basicAuth, service: 'our registry', field: 'access_token' },
  });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } as const };
  const { client, clock, records } = openClient(t, { authorities: trusting(registry.host), credentials });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(await client.digest(at(registry)), digest);
  const asked = registry.tokens?.requests ?? [];
  t.equal(asked.length, 1);
  t.equal(asked[0]?.query.get('scope'), `repository:${REPOSITORY}:pull`);
  t.equal(asked[0]?.query.get('service'), 'our registry');
  t.match(registry.requests.at(-1)?.headers.authorization, /^Bearer /, 'not the password');
  clock.nowMs += 280_000;
  await client.digest(at(registry));
  t.equal(asked.length, 1, 'not yet');
  clock.nowMs += 11_000;
  await client.digest(at(registry));
  t.equal(asked.length, 2, 'some seconds before it runs out');
  registry.tokens?.revokeAll();
  t.equal(await client.digest(at(registry)), digest, 'a token that stops working is replaced');
  t.equal(asked.length, 3);
  await Promise.all(Array.from({ length: 10 }, () => client.manifest({ ...at(registry), tag: 'v1' })));
  t.equal(asked.length, 3);
  await t.rejects(client.manifest({ ...at(registry), repository: 'other' }), { code: 'not-found' });
  t.equal(asked.at(-1)?.query.get('scope'), 'repository:other:pull', 'each repository has its own');
  t.notMatch(JSON.stringify(records), /hush|Bearer/);

  const fresh = openClient(t, { authorities: trusting(registry.host), credentials });
  const before = asked.length;
  await Promise.all(Array.from({ length: 10 }, () => fresh.client.digest(at(registry))));
  t.equal(asked.length, before + 1, 'ten at once share one token');
});

test('a credential that is not accepted, or none: anonymously, and then the registry’s refusal', async (t) => {
  const registry = await serveRegistry(t, { tls, tokens: { basicAuth: { user: 'alice', password: 'hush' } } });
  registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'wrong-secret' } as const };
  for (const given of [{ credentials }, {}]) {
    const { client, records, looked } = openClient(t, { authorities: trusting(registry.host), ...given });
    await t.rejects(client.digest(at(registry)), {
      code: 'not-authorized',
      message: /Not authorized: url https:.* – the token service at https:.*\/token gave no token: status 401; log in/,
    });
    t.match(records, [{ level: 'debug', message: /no token, going on anonymously/ }]);
    t.notMatch(JSON.stringify(records), /wrong-secret/);
    t.ok(looked.length >= 1);
  }
  const open_ = await serveRegistry(t, { tls, tokens: {} });
  open_.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const { client } = openClient(t, { authorities: trusting(open_.host) });
  await client.digest(at(open_));
  t.equal(open_.tokens?.requests[0]?.authorization, undefined, 'public registries give tokens to anybody');
});

test('identity tokens are exchanged by POST, and by GET where that is not served', async (t) => {
  const registry = await serveRegistry(t, { tls, tokens: { identityToken: 'refresh-me' } });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = (host: string): ClientGiven['credentials'] => ({
    [host]: { kind: 'identity-token', token: 'refresh-me' },
  });
  const { client } = openClient(t, { authorities: trusting(registry.host), credentials: credentials(registry.host) });
  t.equal(await client.digest(at(registry)), digest);
  const [asked] = registry.tokens?.requests ?? [];
  t.equal(asked?.method, 'POST');
  t.same(Object.fromEntries(asked?.form ?? []), {
    grant_type: 'refresh_token',
    client_id: 'portcullis',
    scope: `repository:${REPOSITORY}:pull`,
    service: 'registry.test',
    refresh_token: 'refresh-me',
  });

  const old = await serveRegistry(t, { tls });
  old.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const challenge = { 'www-authenticate': `Bearer realm="${old.url}/auth",service="s"` };
  old.route('GET', '/v2/', { status: 401, headers: challenge });
  old.route('POST', '/auth', { status: 405 });
  old.route('GET', '/auth', { body: { token: 'abc' } });
  const second = openClient(t, { authorities: trusting(old.host), credentials: credentials(old.host) });
  await second.client.digest(at(old));
  const get = old.requests.find(({ method, path }) => method === 'GET' && path === '/auth');
  t.equal(get?.headers.authorization, `Basic ${Buffer.from('<token>:refresh-me').toString('base64')}`);
  t.equal(old.requests.at(-1)?.headers.authorization, 'Bearer abc');
});

test('tokens of a registry without TLS: the service on its own host may see the password', async (t) => {
  const registry = await serveRegistry(t, { tokens: { basicAuth: { user: 'alice', password: 'hush' } } });
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } as const };
  const { client } = openClient(t, { insecure: [registry.host], credentials });
  const path = `/v2/${REPOSITORY}/manifests/v1`;
  registry.route('PUT', path, { status: 201 });
  await client.pushManifest(at(registry), Buffer.from('{}'), OCI_MANIFEST);
  await t.rejects(client.manifest(at(registry)), { code: 'not-found' });
  const scopes = registry.tokens?.requests.map(({ query }) => query.get('scope'));
  t.same(scopes, [`repository:${REPOSITORY}:pull,push`, `repository:${REPOSITORY}:pull`], 'reading asks for no more');
});

test('a token service elsewhere sees the password only when the registry’s certificate was checked', async (t) => {
  const tokens = await serveRegistry(t, { tls });
  tokens.route('GET', '/token', { body: { token: 'elsewhere' } });
  const elsewhere = `https://localhost:${tokens.host.split(':')[1]}/token`;
  const challenge = { status: 401, headers: { 'www-authenticate': `Bearer realm="${elsewhere}"` } };
  const credential = { kind: 'basic', username: 'alice', password: 'hush' } as const;
  const ask = async (secure: boolean): Promise<OpenedClient> => {
    const registry = await serveRegistry(t, { tls });
    registry.route('GET', '/v2/', challenge);
    registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
    const opened = openClient(t, {
      ...(secure ? {} : { insecure: [registry.host] }),
      authorities: trusting(...(secure ? [registry.host] : []), new URL(elsewhere).host),
      credentials: { [registry.host]: credential },
    });
    await opened.client.digest(at(registry));
    t.equal(registry.requests.at(-1)?.headers.authorization, 'Bearer elsewhere');
    return opened;
  };
  await ask(true);
  t.match(tokens.requests.at(-1)?.headers.authorization, /^Basic /);
  const { records } = await ask(false);
  t.equal(tokens.requests.at(-1)?.headers.authorization, undefined, 'anybody in between could have named the service');
  t.match(records.at(-1), { level: 'warn', message: /credentials not sent/ });
});

test('token services that answer nonsense, or that nobody may speak to, end in a refusal', async (t) => {
  const plain = await serveRegistry(t);
  plain.route('GET', '/token', { body: { token: 'abc' } });
  const registry = await serveRegistry(t, { tls });
  registry.route('GET', `/v2/${REPOSITORY}/manifests/v1`, { status: 401 });
  const realms: Record<string, RegExp> = {
    [`${plain.url}/token`]: /builder error for url/,
    '/relative': /no URL/,
    'file:///etc/passwd': /./,
    [`${registry.url}/newline`]: /an answer without a token/,
    [`${registry.url}/text`]: /not JSON/,
    [`${registry.url}/number`]: /not JSON/,
    [`${registry.url}/empty`]: /without a token/,
    [`${registry.url}/huge`]: /longer than/,
  };
  registry.route('GET', '/newline', { body: { token: 'secret-token\r\nx: y' } });
  registry.route('GET', '/text', { body: '"secret-token' });
  registry.route('GET', '/number', { body: { token: 5 } });
  registry.route('GET', '/empty', { body: {} });
  registry.route('GET', '/huge', { body: { token: 'x'.repeat(300_000) } });
  for (const [realm, expected] of Object.entries(realms)) {
    registry.route('GET', '/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } });
    const credentials = { [registry.host]: { kind: 'basic', username: 'a', password: 'hush' } as const };
    const { client, records } = openClient(t, { authorities: trusting(registry.host), credentials });
    const refusal = client.digest(at(registry));
    await t.rejects(refusal, { code: 'not-authorized', message: expected }, realm);
    t.notMatch(JSON.stringify(records), /hush|secret-token/);
  }
  t.equal(plain.count(), 0);
});

test('a registry that asks only for some things is answered when it does', async (t) => {
  const registry = await serveRegistry(t, { tls });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  registry.route('*', `/v2/${REPOSITORY}/manifests/v1`, ({ headers }) =>
    headers.authorization === 'Bearer late'
      ? undefined
      : { status: 401, headers: { 'www-authenticate': `Negotiate, Bearer realm="${registry.url}/token"` } },
  );
  registry.route('GET', '/token', { body: { token: 'late', expires_in: 60 } });
  const { client } = openClient(t, { authorities: trusting(registry.host) });
  t.equal(await client.digest(at(registry)), digest);
});
