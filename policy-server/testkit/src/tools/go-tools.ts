import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.ts';

const HARNESS = fileURLToPath(new URL('../../harness/', import.meta.url));
/** CGO off: the binaries must not depend on what this machine happens to link. */
const GO_ENV = { CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' };

/** `opa`, the Rego compiler. */
export async function buildOpa(into: string, version: string): Promise<void> {
  await goInstall(into, `github.com/open-policy-agent/opa@v${version}`);
}

async function goInstall(into: string, program: string): Promise<void> {
  await runCommand('go', ['install', '-ldflags', '-s -w', program], {
    cwd: into,
    env: { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOBIN: into },
  });
}

/** `cosign`, the signing tool. */
export async function buildCosign(into: string, version: string): Promise<void> {
  await goInstall(into, `github.com/sigstore/cosign/v3/cmd/cosign@v${version}`);
}

/** `registry` of the distribution project: token-free, htpasswd and TLS, no referrers API. */
export async function buildDistribution(into: string, version: string): Promise<void> {
  await goInstall(into, `github.com/distribution/distribution/v3/cmd/registry@v${version}`);
}

/** `registry-referrers`, from a main of ours: in memory, with a correct referrers API. */
export async function buildReferrersRegistry(into: string, version: string): Promise<void> {
  await buildRegistry(into, 'registry-referrers', `cuelabs.dev/go/oci/ociregistry v${version}`);
}

/** `registry-switches`, from a main of ours: referrers, TLS, basic auth and storage as the test wants them. */
export async function buildSwitchesRegistry(into: string, version: string): Promise<void> {
  await buildRegistry(into, 'registry-switches', `github.com/google/go-containerregistry v${version}`);
}

async function buildRegistry(into: string, name: string, requirement: string): Promise<void> {
  await inHarness(name, async (folder) => {
    await writeFile(join(folder, 'go.mod'), `module portcullis.test/${name}\n\ngo 1.26\n\nrequire ${requirement}\n`);
    await goBuild(folder, join(into, name), '-s -w');
  });
}

/** `etcd`, from a main of ours over its server module. */
export async function buildEtcd(into: string, version: string): Promise<void> {
  await inHarness('etcd', async (folder) => {
    await writeFile(
      join(folder, 'go.mod'),
      `module portcullis.test/etcd\n\ngo 1.26\n\nrequire go.etcd.io/etcd/server/v3 v${version}\n`,
    );
    await goBuild(folder, join(into, 'etcd'), '-s -w');
  });
}

/** `kube-apiserver`, from a main of ours over the Kubernetes modules. */
export async function buildKubeApiserver(into: string, version: string): Promise<void> {
  await inHarness('kube-apiserver', async (folder) => {
    await writeFile(join(folder, 'go.mod'), await kubernetesGoMod(folder, version));
    const [, minor] = version.split('.');
    const stamp = { gitVersion: `v${version}`, gitMajor: '1', gitMinor: minor, buildDate: '1970-01-01T00:00:00Z' };
    const flags = Object.entries(stamp).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
    await goBuild(folder, join(into, 'kube-apiserver'), ['-s -w', ...flags].join(' '));
  });
}

/** Kubernetes names its staging modules by relative `replace`; outside its own tree each needs its published version. */
async function kubernetesGoMod(folder: string, version: string): Promise<string> {
  const module = `k8s.io/kubernetes@v${version}`;
  const downloaded = JSON.parse(
    await runCommand('go', ['mod', 'download', '-json', module], { cwd: folder, env: GO_ENV }),
  );
  const theirs = await readFile(downloaded.GoMod, 'utf8');
  const goLine = /^go .*$/m.exec(theirs)?.[0] ?? 'go 1.26';
  const staging = [...theirs.matchAll(/^\t(k8s\.io\/[a-z0-9-]+) => \.\/staging\//gm)].map((match) => match[1]);
  const minorAndPatch = version.slice(version.indexOf('.') + 1);
  const replaces = staging.map((name) => `\t${name} => ${name} v0.${minorAndPatch}`);
  return `module portcullis.test/kube-apiserver\n\n${goLine}\n\nrequire k8s.io/kubernetes v${version}\n\nreplace (\n${replaces.join('\n')}\n)\n`;
}

async function goBuild(folder: string, output: string, ldflags: string): Promise<void> {
  await runCommand('go', ['mod', 'tidy'], { cwd: folder, env: GO_ENV });
  await runCommand('go', ['build', '-trimpath', '-ldflags', ldflags, '-o', output, '.'], { cwd: folder, env: GO_ENV });
}

async function inHarness(name: string, build: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `portcullis-${name}-`));
  try {
    await copyFile(join(HARNESS, name, 'main.go'), join(folder, 'main.go'));
    await build(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
