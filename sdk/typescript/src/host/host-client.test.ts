import { test } from 'tap';
import { HostCallError } from '../errors.ts';
import { createConsole } from '../guest/console.ts';
import { createHostClient } from './host-client.ts';
import type { HostClient } from './host-client.ts';
import { createLog } from './log.ts';
import { encodeText } from './text.ts';

/** What goes over the wire for a call, and what the policy gets for an answer. */
function exchange(call: (host: HostClient) => unknown, answer: unknown = {}) {
  const sent: string[] = [];
  const host = createHostClient((...parts) => {
    sent.push(parts.join(' '));
    return JSON.stringify(answer);
  });
  return { result: call(host), sent: sent.join('\n') };
}

test('all eleven operations go over the wire as hosts expect them', (t) => {
  const image = 'ghcr.io/x/y:1';
  const trusted = { is_trusted: true, digest: 'sha256:1' };
  const verified = { isTrusted: true, digest: 'sha256:1' };
  const cases: [call: (host: HostClient) => unknown, sent: string, answer?: unknown, result?: unknown][] = [
    [(h) => h.oci.manifestDigest(image), 'kubewarden oci v1/manifest_digest "ghcr.io/x/y:1"', { digest: 'd' }, 'd'],
    [
      (h) => h.oci.manifest(image),
      'kubewarden oci v1/oci_manifest "ghcr.io/x/y:1"',
      { schemaVersion: 2 },
      { schemaVersion: 2 },
    ],
    [(h) => h.oci.manifestAndConfig(image), 'kubewarden oci v1/oci_manifest_config "ghcr.io/x/y:1"'],
    [
      (h) => h.oci.verifyPublicKeys({ image, publicKeys: ['k'], annotations: { a: 'b' } }),
      'kubewarden oci v2/verify {"type":"SigstorePubKeyVerify","image":"ghcr.io/x/y:1","pub_keys":["k"],"annotations":{"a":"b"}}',
      trusted,
      verified,
    ],
    [
      (h) => h.oci.verifyKeyless({ image, identities: [{ issuer: 'i', subject: 's' }] }),
      'kubewarden oci v2/verify {"type":"SigstoreKeylessVerify","image":"ghcr.io/x/y:1","keyless":[{"issuer":"i","subject":"s"}]}',
      trusted,
      verified,
    ],
    [
      (h) => h.oci.verifyKeylessPrefix({ image, identities: [{ issuer: 'i', urlPrefix: 'p' }] }),
      'kubewarden oci v2/verify {"type":"SigstoreKeylessPrefixVerify","image":"ghcr.io/x/y:1","keyless_prefix":[{"issuer":"i","url_prefix":"p"}]}',
    ],
    [
      (h) => h.oci.verifyGithubActions({ image, owner: 'o', repo: 'r' }),
      'kubewarden oci v2/verify {"type":"SigstoreGithubActionsVerify","image":"ghcr.io/x/y:1","owner":"o","repo":"r"}',
    ],
    [
      (h) => h.oci.verifyCertificate({ image, certificate: 'AB', certificateChain: ['C'], requireRekorBundle: false }),
      'kubewarden oci v2/verify {"type":"SigstoreCertificateVerify","image":"ghcr.io/x/y:1","certificate":[65,66],"certificate_chain":[[67]],"require_rekor_bundle":false}',
    ],
    [
      (h) => h.oci.v1.verifyPublicKeys({ image, publicKeys: ['k'] }),
      'kubewarden oci v1/verify {"SigstorePubKeyVerify":{"image":"ghcr.io/x/y:1","pub_keys":["k"]}}',
      trusted,
      verified,
    ],
    [
      (h) => h.oci.v1.verifyKeyless({ image, identities: [{ issuer: 'i', subject: 's' }] }),
      'kubewarden oci v1/verify {"SigstoreKeylessVerify":{"image":"ghcr.io/x/y:1","keyless":[{"issuer":"i","subject":"s"}]}}',
    ],
    [(h) => h.net.lookupHost('x.io'), 'kubewarden net v1/dns_lookup_host "x.io"', { ips: ['::1'] }, ['::1']],
    [
      (h) =>
        h.crypto.isCertificateTrusted({ certificate: 'A', chain: [Uint8Array.of(1, 2)], at: '2030-01-01T00:00:00Z' }),
      'kubewarden crypto v1/is_certificate_trusted {"cert":{"encoding":"Pem","data":[65]},"cert_chain":[{"encoding":"Der","data":[1,2]}],"not_after":"2030-01-01T00:00:00Z"}',
      { trusted: false, reason: 'r' },
      { trusted: false, reason: 'r' },
    ],
    [
      (h) => h.crypto.isCertificateTrusted({ certificate: [7] }),
      'kubewarden crypto v1/is_certificate_trusted {"cert":{"encoding":"Der","data":[7]},"not_after":""}',
    ],
    [
      (h) => h.kubernetes.getResource({ apiVersion: 'v1', kind: 'Namespace', name: 'n' }),
      'kubewarden kubernetes get_resource {"api_version":"v1","kind":"Namespace","name":"n","disable_cache":false}',
    ],
    [
      (h) =>
        h.kubernetes.getResource({
          apiVersion: 'v1',
          kind: 'Pod',
          name: 'n',
          namespace: 's',
          disableCache: true,
          fieldMasks: ['metadata.name'],
        }),
      'kubewarden kubernetes get_resource {"api_version":"v1","kind":"Pod","name":"n","disable_cache":true,"namespace":"s","field_masks":["metadata.name"]}',
    ],
    [
      (h) =>
        h.kubernetes.listAllResources({ apiVersion: 'v1', kind: 'Pod', labelSelector: 'a=b', fieldSelector: 'c=d' }),
      'kubewarden kubernetes list_resources_all {"api_version":"v1","kind":"Pod","label_selector":"a=b","field_selector":"c=d"}',
      { items: [1] },
      { items: [1] },
    ],
    [
      (h) => h.kubernetes.listResourcesByNamespace({ apiVersion: 'v1', kind: 'Pod', namespace: 's' }),
      'kubewarden kubernetes list_resources_by_namespace {"api_version":"v1","kind":"Pod","namespace":"s"}',
    ],
    [
      (h) =>
        h.kubernetes.canI(
          { user: 'u', groups: ['g'], resourceAttributes: { verb: 'get', resource: 'pods' } },
          { disableCache: true },
        ),
      'kubewarden kubernetes can_i {"subject_access_review":{"user":"u","resource_attributes":{"verb":"get","resource":"pods"},"groups":["g"]},"disable_cache":true}',
      { allowed: true },
      { allowed: true },
    ],
  ];
  for (const [call, sent, answer, result] of cases) {
    const actual = exchange(call, answer);
    t.equal(actual.sent, sent);
    if (result !== undefined) t.same(actual.result, result);
  }
  t.end();
});

test('the text of a host that refuses reaches the policy', (t) => {
  const host = createHostClient(() => {
    throw new Error(
      'Policy has not been granted access to Kubernetes v1/Pod resources. The violation has been reported.',
    );
  });
  const error = t.throws(() => host.kubernetes.listAllResources({ apiVersion: 'v1', kind: 'Pod' })) as HostCallError;
  t.ok(error instanceof HostCallError);
  t.match(error, {
    operation: 'kubernetes/list_resources_all',
    message: /^Policy has not been granted access to Kubernetes v1\/Pod/,
  });
  t.end();
});

test('log and console events have the levels hosts know, and never throw', (t) => {
  const events: unknown[] = [];
  const log = createLog((_binding, namespace, operation, payload) => {
    events.push([`${namespace}/${operation}`, JSON.parse(payload)]);
    return '';
  });
  log.debug('d', { level: 'x', message: 'y', n: 1 });
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  log.error('e', { cyclic });
  const guestConsole = createConsole(log);
  guestConsole.warn('a', 1, { b: null }, undefined, cyclic, new TypeError('t'));
  t.same(events, [
    ['tracing/log', { n: 1, level: 'debug', message: 'd' }],
    ['tracing/log', { level: 'error', message: 'e' }],
    ['tracing/log', { level: 'warning', message: 'a 1 {"b":null} undefined [object Object] TypeError: t' }],
  ]);
  const silent = createLog(() => {
    throw new Error('unknown namespace: tracing');
  });
  t.doesNotThrow(() => silent.info('x'));
  t.end();
});

test('encodeText is UTF-8', (t) => {
  const text = 'a\u007f\u0080\u07ff\u0800\uffff🙂';
  t.same(encodeText(text), [...Buffer.from(text, 'utf8')]);
  t.end();
});
