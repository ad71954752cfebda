import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryTarget } from '../registry/registry-target.ts';
import { runCommand } from '../tools/command.ts';
import { toolFolder } from '../tools/tools.ts';

/** Nobody listens there: whatever cosign wants of the internet fails at once instead of leaking out of the test. */
const NOWHERE = 'http://127.0.0.1:1';

/** What `cosign signing-config create` prints without arguments: no Fulcio, no Rekor, no timestamps. */
const NO_SERVICES =
  '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}';

/**
 * Runs the real cosign offline, with an empty home of its own and an empty key password; resolves to its standard output. Files
 * are to be given by absolute path; the working directory is that home.
 *
 * @throws ToolUnavailable when this machine cannot build it; Error with the end of its output when it fails.
 */
export async function runCosign(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return withHome((home) => runIn(home, args, env));
}

/** As `runCosign`, for commands that must be told that there are no services; the arguments may depend on where that is written. */
export async function runCosignOffline(
  args: (signingConfig: string) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  return withHome(async (home) => {
    const signingConfig = join(home, 'signing-config.json');
    await writeFile(signingConfig, NO_SERVICES);
    return runIn(home, args(signingConfig), env);
  });
}

/** Flags with which cosign speaks to a registry of a test. */
export async function withRegistryFlags<T>(
  registry: RegistryTarget | undefined,
  use: (flags: readonly string[]) => Promise<T>,
): Promise<T> {
  const flags = ['--allow-insecure-registry'];
  if (registry?.basicAuth !== undefined)
    flags.push('--registry-username', registry.basicAuth.user, '--registry-password', registry.basicAuth.password);
  const authority = registry?.authority;
  if (authority === undefined) return use(flags);
  return withHome(async (folder) => {
    await writeFile(join(folder, 'ca.crt'), authority);
    return use(['--registry-cacert', join(folder, 'ca.crt'), ...flags.slice(1)]);
  });
}

async function withHome<T>(use: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'portcullis-cosign-'));
  try {
    return await use(home);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function runIn(home: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const offline = { HTTP_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE, NO_PROXY: '127.0.0.1,localhost' };
  const own = {
    HOME: home,
    DOCKER_CONFIG: join(home, '.docker'),
    TUF_ROOT: join(home, '.sigstore'),
    COSIGN_PASSWORD: '',
  };
  return runCommand(join(await toolFolder('cosign'), 'cosign'), args, {
    cwd: home,
    env: { ...offline, ...own, ...env },
  });
}
