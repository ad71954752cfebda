import { test } from 'tap';
import { HOST_CAPABILITIES, parseCapabilityPatterns } from './capability-patterns.ts';
import { JsonError } from './errors.ts';
import { parseJson } from './json/parse.ts';
import { metadataFrom, parseMetadata, stringifyMetadata, type PolicyMetadata } from './metadata.ts';
import { validateMetadata } from './metadata-validation.ts';
import { encodeUtf8 } from './utf8.ts';

const FULL =
  '{"protocolVersion":"v1","rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],"operations":["CREATE","UPDATE"]}],' +
  '"annotations":{"io.kubewarden.policy.title":"t","z":"é"},"mutating":false,"backgroundAudit":false,"executionMode":"wasi",' +
  '"policyType":"raw","contextAwareResources":[{"apiVersion":"apps/v1","kind":"Deployment"},{"apiVersion":"v1","kind":"Pod"}],' +
  '"hostCapabilities":["oci/v1/verify"],"minimumKubewardenVersion":"1.2.3-rc.1+x"}';

const parse = (text: string): PolicyMetadata => parseMetadata(encodeUtf8(text));

function errorOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
  return 'no error';
}

test('metadata round-trips in the key order of other tools', async (t) => {
  t.equal(stringifyMetadata(parse(FULL)), FULL);
  t.equal(
    stringifyMetadata(parse('{"mutating":true,"rules":[]}')),
    '{"rules":[],"mutating":true,"backgroundAudit":true,"executionMode":"kubewarden-wapc","policyType":"kubernetes","contextAwareResources":[]}',
  );
});

test('what is missing gets its default, what is unknown is ignored', async (t) => {
  t.same(parse('{"rules":[],"mutating":true,"contextAware":true,"protocolVersion":null,"annotations":null}'), {
    rules: [],
    mutating: true,
    backgroundAudit: true,
    executionMode: 'kubewarden-wapc',
    policyType: 'kubernetes',
    contextAwareResources: [],
  });
});

test('sets come out sorted and without duplicates', async (t) => {
  const metadata = parse(
    '{"rules":[],"mutating":true,"hostCapabilities":["b","a","b"],"annotations":{"b":"2","a":"1"},' +
      '"contextAwareResources":[{"apiVersion":"v1","kind":"Pod"},{"kind":"A","apiVersion":"v1"},{"apiVersion":"v1","kind":"Pod"}]}',
  );
  t.same(metadata.hostCapabilities, ['a', 'b']);
  t.same(
    metadata.contextAwareResources.map(({ kind }) => kind),
    ['A', 'Pod'],
  );
  t.match(stringifyMetadata(metadata), '"annotations":{"a":"1","b":"2"}');
});

test('metadata of the wrong shape is refused in the words of serde_json', async (t) => {
  const data = (text: string): string => errorOf(() => parse(text));
  t.equal(data('{}'), 'missing field `rules` at line 1 column 2');
  t.equal(data('{"rules":[]}'), 'missing field `mutating` at line 1 column 12');
  t.match(data('{"rules":[],"mutating":true,"mutating":false}'), 'duplicate field `mutating`');
  t.match(
    data('{"rules":[],"mutating":true,"executionMode":"x"}'),
    'unknown variant `x`, expected one of `kubewarden-wapc`, `opa`, `gatekeeper`, `wasi`, `component`',
  );
  t.match(data('{"rules":[],"mutating":true,"policyType":"x"}'), 'unknown variant `x`, expected `kubernetes` or `raw`');
  t.match(
    data('{"rules":[{"apiGroups":[],"apiVersions":[],"resources":[],"operations":["PATCH"]}],"mutating":true}'),
    'unknown variant `PATCH`',
  );
  t.match(
    data('{"rules":[],"mutating":true,"minimumKubewardenVersion":"1.2"}'),
    'invalid value: string "1.2", expected a semantic version',
  );
  t.match(data('{"rules":[],"mutating":true,"annotations":{"a":1}}'), 'invalid type: integer `1`, expected a string');
  t.equal(
    errorOf(() => metadataFrom(parseJson('{"mutating":true}'))),
    'missing field `rules`',
  );
  const read = (json: string): string => errorOf(() => metadataFrom(parseJson(json)));
  t.equal(
    read('{"rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":"pods","operations":["*"]}],"mutating":true}'),
    'rules[0].resources: invalid type: string "pods", expected a sequence',
  );
  t.equal(
    read('{"rules":[],"mutating":true,"backgroundAudit":null}'),
    'backgroundAudit: invalid type: null, expected a boolean',
  );
});

test('the version pattern stays linear on hostile text', async (t) => {
  const started = performance.now();
  for (const version of ['1.0.0-' + 'a-'.repeat(50_000) + '!', '1.0.0+' + 'a.'.repeat(50_000), '0'.repeat(100_000)]) {
    t.match(
      errorOf(() => parse(`{"rules":[],"mutating":true,"minimumKubewardenVersion":"${version}"}`)),
      'semantic version',
    );
  }
  t.ok(performance.now() - started < 5000);
});

test('validation says what an API server would refuse', async (t) => {
  const problems = (rule: Partial<PolicyMetadata['rules'][number]>, more: Partial<PolicyMetadata> = {}): string[] =>
    validateMetadata({
      ...parse(FULL),
      rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], ...rule }],
      ...more,
    });
  t.same(problems({}), []);
  t.same(problems({ apiGroups: [] }), ['rules[0].apiGroups: must not be empty']);
  t.same(problems({ apiVersions: ['*', 'v1'] }), [
    "rules[0].apiVersions: if '*' is present, must not specify other values",
  ]);
  t.same(problems({ operations: ['*', 'CREATE'] }), [
    "rules[0].operations: if '*' is present, must not specify other values",
  ]);
  t.same(problems({ operations: ['*'], apiGroups: ['*'], resources: ['*/*'] }), []);
  t.same(problems({ resources: [] }), ['rules[0].resources: must not be empty']);
  t.same(problems({ resources: [''] }), ['rules[0].resources: must not contain an empty name']);
  t.same(problems({ resources: ['*/*', 'pods'] }), [
    "rules[0].resources: if '*/*' is present, must not specify other resources",
  ]);
  t.same(problems({ resources: ['*', 'pods/status'] }), []);
  t.same(problems({ resources: ['pods/*', 'pods/status'] }), [
    "rules[0].resources: if 'pods/*' is present, must not specify 'pods/status'",
  ]);
  t.same(problems({ resources: ['*/scale', 'pods/scale'] }), [
    "rules[0].resources: if '*/scale' is present, must not specify 'pods/scale'",
  ]);
  t.same(problems({ resources: ['pods/status', 'pods/*', 'pods'] }), [], 'a wildcard is held against what follows');
  t.same(problems({}, { contextAwareResources: [{ apiVersion: '', kind: '' }] }), [
    'contextAwareResources[0].apiVersion: must not be empty',
    'contextAwareResources[0].kind: must not be empty',
  ]);
  const { protocolVersion: _, ...unversioned } = parse(FULL);
  t.same(validateMetadata(unversioned), ['protocolVersion: must be set']);
  t.same(problems({}, { protocolVersion: 'Unknown' }), [], 'a WASI policy has none');
  t.match(
    problems({}, { protocolVersion: 'Unknown', executionMode: 'kubewarden-wapc' })[0],
    /^protocolVersion: must be specified/,
  );
});

test('a star beside plain resources is refused in either order, where the reference looks at the last one only', async (t) => {
  for (const resources of [
    ['pods', '*'],
    ['*', 'pods'],
  ]) {
    const rules = [{ apiGroups: [''], apiVersions: ['v1'], resources, operations: ['CREATE' as const] }];
    t.same(validateMetadata({ ...parse(FULL), rules }), [
      "rules[0].resources: if '*' is present, must not specify other resources without subresources",
    ]);
  }
});

test('capability patterns grant what they name and nothing else', async (t) => {
  const granted = (...patterns: string[]): string[] => {
    const list = parseCapabilityPatterns(patterns);
    return HOST_CAPABILITIES.filter((path) => list.allows(path));
  };
  t.equal(HOST_CAPABILITIES.length, 11);
  t.same(granted(), []);
  t.same(granted('*'), HOST_CAPABILITIES);
  t.same(granted(' oci/v1/verify '), ['oci/v1/verify']);
  t.same(granted('oci/v2/*', 'net/*'), ['net/v1/dns_lookup_host', 'oci/v2/verify']);
  t.same(granted('oci/v1/oci_manifest'), ['oci/v1/oci_manifest'], 'not oci_manifest_config');
  t.same(granted('*', 'nonsense'), HOST_CAPABILITIES, 'after a star nothing is checked');
  const oci = parseCapabilityPatterns(['oci/*']);
  t.ok(oci.allows('oci/v9/future'), 'a prefix covers operations to come');
  t.notOk(oci.allows('ocix/v1/verify'));
  t.notOk(oci.allows('oci'));
  t.notOk(oci.allows('OCI/v1/verify'));
  t.same(parseCapabilityPatterns([' oci/* ']).patterns, ['oci/*']);
});

test('a capability pattern that can grant nothing is refused with what would be valid', async (t) => {
  const partial = "wildcard '*' must be the entire last path segment (e.g. 'oci/*'), not a partial match";
  const refusals = {
    '': 'invalid pattern: pattern must not be empty',
    '  ': 'invalid pattern: pattern must not be empty',
    'oci*': `invalid pattern "oci*": ${partial}`,
    '*/oci': `invalid pattern "*/oci": ${partial}`,
    '*/*': `invalid pattern "*/*": ${partial}`,
    'oci/v1/oci_*': `invalid pattern "oci/v1/oci_*": ${partial}`,
    'a,b':
      'invalid pattern "a,b": unknown segment "a,b", valid options at this level are: crypto, kubernetes, net, oci',
    OCI: 'invalid pattern "OCI": unknown segment "OCI", valid options at this level are: crypto, kubernetes, net, oci',
    'tracing/log':
      'invalid pattern "tracing/log": unknown segment "tracing", valid options at this level are: crypto, kubernetes, net, oci',
    'oci/v3/*': 'invalid pattern "oci/v3/*": unknown segment "v3", valid options at this level are: v1, v2',
    'kubernetes/can_i/x':
      'invalid pattern "kubernetes/can_i/x": unknown segment "x", valid options at this level are: ',
    'kubernetes/can_i/*':
      'invalid pattern "kubernetes/can_i/*": unknown segment "*", valid options at this level are: ',
    oci: 'invalid pattern "oci": not a complete capability path; use "oci/*" to allow all capabilities under it',
    'oci/v1':
      'invalid pattern "oci/v1": not a complete capability path; use "oci/v1/*" to allow all capabilities under it',
  };
  for (const [pattern, message] of Object.entries(refusals)) {
    t.throws(() => parseCapabilityPatterns([pattern]), { name: 'CapabilityPatternError', message }, pattern);
  }
});
