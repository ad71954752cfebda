import { createHash } from 'node:crypto';
import { metadataFrom, parseImageReference, parseJson, type PolicyMetadata } from '@portcullis/protocol';
import { test } from 'tap';
import type { ArtifactLogRecord } from '../log.ts';
import type { RegistryWriter } from '../registry/registry.ts';
import { manifestAnnotations } from './manifest.ts';
import { pushPolicy } from './push.ts';

const MODULE = new TextEncoder().encode('\0asm and so on');
const CONFIG_DIGEST = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

function digestOf(bytes: Uint8Array, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

function metadata(annotations?: Record<string, string>): PolicyMetadata {
  return metadataFrom(parseJson(JSON.stringify({ rules: [], mutating: false, annotations })));
}

interface Written {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** A registry that keeps everything, and calls manifests what `digest` makes of them. */
function registry(digest: (manifest: Uint8Array) => string = digestOf): { client: RegistryWriter; written: Written[] } {
  const written: Written[] = [];
  return {
    written,
    client: {
      async pushBlob({ registry: host, repository }, bytes, blobDigest) {
        written.push({ what: `blob ${host}/${repository} ${blobDigest}`, bytes });
      },
      async pushManifest({ repository, tag }, bytes, mediaType) {
        written.push({ what: `manifest ${repository}:${tag} ${mediaType}`, bytes });
        return digest(bytes);
      },
    },
  };
}

async function push(
  policy: PolicyMetadata | undefined,
  { client }: { client: RegistryWriter },
): Promise<{ immutableReference: string; log: ArtifactLogRecord[] }> {
  const log: ArtifactLogRecord[] = [];
  const pushed = await pushPolicy(client, {
    bytes: MODULE,
    metadata: policy,
    reference: parseImageReference('ghcr.io/team/policy:v1'),
    log: (record) => log.push(record),
  });
  return { ...pushed, log };
}

test('push: layer, config, then a manifest of canonical JSON', async (t) => {
  const target = registry();
  const policy = metadata({
    'io.kubewarden.policy.title': ' pod "privileged"\n',
    'io.kubewarden.policy.author': 'é\t',
  });
  const { immutableReference, log } = await push(policy, target);
  const [layer, config, manifest] = target.written;
  t.equal(layer?.what, `blob ghcr.io/team/policy ${digestOf(MODULE)}`);
  t.equal(config?.what, `blob ghcr.io/team/policy ${CONFIG_DIGEST}`);
  t.equal(Buffer.from(config?.bytes ?? []).toString(), '{}');
  t.equal(manifest?.what, 'manifest team/policy:v1 application/vnd.oci.image.manifest.v1+json');
  const text =
    '{"annotations":{"io.kubewarden.policy.author":"é","io.kubewarden.policy.title":"pod \\"privileged\\""},' +
    `"config":{"digest":"${CONFIG_DIGEST}","mediaType":"application/vnd.wasm.config.v1+json","size":2},` +
    `"layers":[{"digest":"${digestOf(MODULE)}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":${MODULE.length}}],` +
    '"schemaVersion":2}';
  t.equal(Buffer.from(manifest?.bytes ?? []).toString(), text);
  t.equal(immutableReference, `ghcr.io/team/policy@${digestOf(Buffer.from(text))}`);
  t.same(log, []);
});

test('push: without annotations the manifest has none', async (t) => {
  for (const policy of [undefined, metadata(), metadata({})]) {
    const target = registry();
    await push(policy, target);
    t.match(Buffer.from(target.written[2]?.bytes ?? []).toString(), /^\{"config":/);
  }
});

test('push: annotations of several lines are dropped with a warning each, the source is told twice', async (t) => {
  const target = registry();
  const { log } = await push(
    metadata({
      'io.kubewarden.policy.usage': '# Usage\n\ntext',
      'io.kubewarden.policy.blank': 'one\n\n',
      'io.kubewarden.policy.source': 'https://example.com/source',
    }),
    target,
  );
  const manifest = JSON.parse(Buffer.from(target.written[2]?.bytes ?? []).toString()) as { annotations: object };
  t.same(manifest.annotations, {
    'io.kubewarden.policy.source': 'https://example.com/source',
    'org.opencontainers.image.source': 'https://example.com/source',
  });
  t.same(
    log.map(({ level, target: name, fields }) => [level, name, fields]),
    ['blank', 'usage'].map((key) => ['warn', 'kwctl::push', { annotation: `"io.kubewarden.policy.${key}"` }]),
  );
});

test('push: an image source of its own is kept', async (t) => {
  const { kept } = manifestAnnotations(
    metadata({ 'io.kubewarden.policy.source': 'a', 'org.opencontainers.image.source': 'b', empty: '' }),
  );
  t.same(Object.fromEntries(kept), {
    empty: '',
    'io.kubewarden.policy.source': 'a',
    'org.opencontainers.image.source': 'b',
  });
});

test('push: a registry that keeps something else than was sent is not believed', async (t) => {
  await t.resolves(
    push(
      undefined,
      registry((manifest) => digestOf(manifest, 'sha512')),
    ),
    'other algorithm, same bytes',
  );
  for (const digest of [CONFIG_DIGEST, 'sha256:abc', 'md5:abc', '', `SHA256:${'0'.repeat(64)}`]) {
    await t.rejects(
      push(
        undefined,
        registry(() => digest),
      ),
      { code: 'push-refused', message: /what it keeps is not what was sent/ },
      digest,
    );
  }
});
