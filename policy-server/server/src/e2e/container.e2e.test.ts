import { chmod, chown, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  createAuthority,
  createCosignKeys,
  createServerCertificate,
  missingTool,
  onPath,
  policyModule,
  pushPolicyModule,
  registryTools,
  signWithKey,
  startRegistry,
} from '@portcullis/testkit';
import { test } from 'tap';
import { filesIn } from '../test/served-policy.ts';
import { startProcess } from '../test/server-process.ts';
import { review } from '../test/test-server.ts';

const REGISTRY = { referrers: false, basicAuth: { user: 'puller', password: 'pull-s3cret' } } as const;
const skip = await missingTool('cosign', ...registryTools(REGISTRY));
const USER = 65533;
/** As in the image: nobody in particular, without a home. Only root can become somebody else. */
const isRoot = process.getuid?.() === 0 && onPath('setpriv');
const prefix = isRoot ? ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];

test(
  'a server as the controller starts it: variables only, another user, nothing writable but /tmp',
  { skip },
  async (t) => {
    await using registry = await startRegistry(REGISTRY);
    const root = await mkdtemp(join(tmpdir(), 'container-'));
    const at = (...names: string[]): string => join(root, ...names);
    for (const name of ['pki', 'config', 'sources', 'home/.docker', 'tmp', 'keys'])
      await mkdir(at(name), { recursive: true });
    const keys = await createCosignKeys(at('keys'));
    for (const [name, message] of [
      ['signed', 'signed'],
      ['member', 'member'],
    ] as const) {
      const pushed = await pushPolicyModule(registry, name, await policyModule({ rejectWith: message }));
      await signWithKey({ reference: pushed.immutableReference, registry, key: keys, format: 'bundle' });
    }
    const authority = await createAuthority('own');
    const { cert, key } = await createServerCertificate(authority);
    const auth = Buffer.from('puller:pull-s3cret').toString('base64');
    const files = {
      'pki/tls.crt': cert,
      'pki/tls.key': key,
      'config/policies.yml': JSON.stringify({
        signed: { module: `registry://${registry.host}/signed:v1`, policyMode: 'protect', settings: {} },
        group: {
          policyMode: 'protect',
          expression: 'm()',
          message: 'the group',
          policies: { m: { module: `registry://${registry.host}/member:v1`, settings: {} } },
        },
      }),
      'config/verification.yml': JSON.stringify({
        apiVersion: 'v1',
        allOf: [{ kind: 'pubKey', key: await readFile(keys.publicKeyPath, 'utf8') }],
      }),
      'sources/sources.yml': JSON.stringify({ insecure_sources: [registry.host] }),
      'home/.docker/config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }),
    };
    for (const [name, content] of Object.entries(files)) await writeFile(at(name), content);
    await chmod(root, 0o755);
    if (isRoot) await chown(at('tmp'), USER, USER);
    const env = {
      KUBEWARDEN_CERT_FILE: at('pki/tls.crt'),
      KUBEWARDEN_KEY_FILE: at('pki/tls.key'),
      KUBEWARDEN_POLICIES: at('config/policies.yml'),
      KUBEWARDEN_POLICIES_DOWNLOAD_DIR: at('tmp'),
      KUBEWARDEN_SIGSTORE_CACHE_DIR: at('tmp/sigstore-data'),
      KUBEWARDEN_SOURCES_PATH: at('sources/sources.yml'),
      KUBEWARDEN_VERIFICATION_CONFIG_PATH: at('config/verification.yml'),
      KUBEWARDEN_DOCKER_CONFIG_JSON_PATH: at('home/.docker'),
      KUBEWARDEN_LOG_LEVEL: 'debug',
      XDG_CACHE_HOME: '',
    };
    {
      await using server = startProcess({ env, cwd: at('config'), prefix });
      const url = await server.ready();
      for (const [id, message] of [
        ['signed', 'signed'],
        ['group', 'the group'],
      ] as const) {
        t.match(await post(`${url}/validate/${id}`, authority.cert), `"message":"${message}"`);
      }
      t.same(
        (await filesIn(at('tmp'))).filter((path) => path.endsWith(':v1') || path.includes('sigstore')),
        [`registry/${registry.host}/member:v1`, `registry/${registry.host}/signed:v1`],
        'keys need no trust root, so none is fetched',
      );
      t.notMatch(server.output.stdout, /pull-s3cret|BEGIN|PRIVATE/);
      t.notOk(server.output.stdout.includes(auth));
      server.kill('SIGTERM');
      t.same(await server.ended, { code: 0, signal: null });
      t.equal(server.output.stderr, '');
    }
    t.same(
      await readdir(at('config')),
      ['policies.yml', 'verification.yml'],
      'nothing is written beside the configuration',
    );

    await writeFile(
      at('config/policies.yml'),
      JSON.stringify({ p: { module: `registry://${registry.host}/signed:v1` } }),
    );
    if (!isRoot) return;
    await mkdir(at('readonly'));
    const refused = { ...env, KUBEWARDEN_POLICIES_DOWNLOAD_DIR: at('readonly') };
    await using server = startProcess({ env: refused, cwd: at('config'), prefix });
    t.equal((await server.ended).code, 1);
    t.equal(
      server.output.stderr,
      `Error: Error while downloading policy 'p' from registry://${registry.host}/signed:v1: wasm module cannot be save to "${at('readonly', 'registry', registry.host, 'signed:v1')}": Permission denied (os error 13) – check the permissions of the folder, or choose another\n`,
    );
  },
);

function post(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const outgoing = request(url, { method: 'POST', headers, ca }, (answer) => {
      void text(answer).then(resolve, reject);
    });
    outgoing.on('error', reject);
    outgoing.end(review());
  });
}
