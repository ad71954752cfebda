import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettingsValidationResponse, parseValidationResponse } from '@portcullis/protocol';
import { test } from 'tap';
import { buildPolicy } from './index.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Outcome {
  readonly response?: string;
  readonly error?: string;
  readonly log: readonly string[];
  readonly trapped: boolean;
  /** `binding namespace operation payload` of every host call. */
  readonly hostCalls: readonly string[];
}

/** A waPC host of the smallest kind: one call into a new instance. Host calls for a namespace `refused` fail. */
function call(module: WebAssembly.Module, operation: string, payload: string): Outcome {
  const outcome: { -readonly [K in keyof Outcome]: Outcome[K] } & { log: string[]; hostCalls: string[] } = {
    log: [],
    trapped: false,
    hostCalls: [],
  };
  const answer = encoder.encode('{"näh":1}');
  const refusal = encoder.encode('unknown namespace: refused');
  const request = [operation, payload].map((part) => encoder.encode(part));
  const memory = (): Uint8Array => new Uint8Array((instance.exports['memory'] as WebAssembly.Memory).buffer);
  const textAt = (at: number, size: number): string => decoder.decode(memory().subarray(at, at + size));
  const instance = new WebAssembly.Instance(module, {
    wapc: {
      __guest_request: (operationAt: number, payloadAt: number) => {
        memory().set(request[0] ?? [], operationAt);
        memory().set(request[1] ?? [], payloadAt);
      },
      __guest_response: (at: number, size: number) => (outcome.response = textAt(at, size)),
      __guest_error: (at: number, size: number) => (outcome.error = textAt(at, size)),
      __console_log: (at: number, size: number) => outcome.log.push(textAt(at, size)),
      __host_call: (...parts: number[]) => {
        const texts = [0, 2, 4, 6].map((index) => textAt(parts[index] ?? 0, parts[index + 1] ?? 0));
        outcome.hostCalls.push(texts.join(' '));
        return texts[1] === 'refused' ? 0 : 1;
      },
      __host_response_len: () => answer.length,
      __host_response: (at: number) => memory().set(answer, at),
      __host_error_len: () => refusal.length,
      __host_error: (at: number) => memory().set(refusal, at),
    },
  });
  const guestCall = instance.exports['__guest_call'] as (operationSize: number, payloadSize: number) => number;
  try {
    const returned = guestCall(request[0]?.length ?? 0, request[1]?.length ?? 0);
    if ((returned === 1) !== (outcome.response !== undefined))
      throw new TypeError('the result contradicts the response');
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    outcome.trapped = true;
  }
  return outcome;
}

/** The first `ts` block under a heading of the README. */
async function readmeBlock(heading: string): Promise<string> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const section = readme.split(`## ${heading}`)[1] ?? '';
  return /```ts\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
}

test('the policy of the README compiles to a small module and decides', async (t) => {
  const source = await readmeBlock('A policy');
  t.ok(source.trim().split('\n').length <= 22, 'twenty lines');
  const folder = t.testdir({ 'policy.ts': source });
  const bytes = await buildPolicy({ entry: join(folder, 'policy.ts') });
  t.ok(bytes.length < 30_000, `${bytes.length} bytes`);
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  t.same([...new Set(WebAssembly.Module.imports(module).map((each) => each.module))], ['wapc']);
  t.same(
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .toSorted(),
    ['__guest_call', 'memory'],
  );

  const settings = { forbidden_names: ['böse'], unknown: { ignored: [null] } };
  const validate = (name: string): unknown => {
    const { response } = call(module, 'validate', JSON.stringify({ request: { uid: 'u', name }, settings }));
    return parseValidationResponse(encoder.encode(response));
  };
  t.match(validate('gut'), { accepted: true });
  t.match(validate('böse'), { accepted: false, message: 'the name böse is not allowed', code: 403 });
  const validateSettings = (given: string): unknown =>
    parseSettingsValidationResponse(encoder.encode(call(module, 'validate_settings', given).response));
  t.match(validateSettings(JSON.stringify(settings)), { valid: true });
  t.match(validateSettings('{}'), { valid: false, message: 'forbidden_names must not be empty' });
  t.equal(call(module, 'protocol_version', '').response, '"v1"');
  t.match(call(module, 'other', ''), { error: 'Could not find function "other"', trapped: false });

  const mistyped = { 7: 'a number', '"x"': 'a string', true: 'a boolean', '{"a":1}': 'an object' };
  for (const [value, kind] of Object.entries(mistyped)) {
    t.match(validateSettings(`{"forbidden_names":${value}}`), {
      valid: false,
      message: `forbidden_names: expected a list, got ${kind}`,
    });
  }
  for (const broken of ['{"forbidden_names":[1]}', '[]', '{']) {
    const { trapped, log, error } = call(module, 'validate_settings', broken);
    t.ok(trapped, `${broken} ends the evaluation`);
    t.match(log, [/JSON|settings are not an object/], 'and says why in the log');
    t.equal(error, log[0]);
  }
});

test('the other examples of the README compile', async (t) => {
  const examples = [
    ...(await readFile(new URL('../README.md', import.meta.url), 'utf8')).matchAll(/```ts\n(const [\s\S]*?)```/g),
  ];
  t.equal(examples.length, 2);
  const functions = examples.map(
    ([, body], index) =>
      `function example${index}(request: PolicyRequest): PolicyResponse {\n${body}return accept();\n}`,
  );
  const source = `import { PolicyRequest, PolicyResponse, accept, getResource, guestCall, jsonSet, mutate, quote, reject } from "@portcullis/assemblyscript/assembly";
    @json class Settings {}
    ${functions.join('\n')}
    function validate(request: PolicyRequest, settings: Settings): PolicyResponse {
      return request.name == "0" ? example0(request) : example1(request);
    }
    function validateSettings(settings: Settings): string | null { return null; }
    export function __guest_call(a: i32, b: i32): i32 { return guestCall<Settings>(a, b, validate, validateSettings); }`;
  const folder = t.testdir({ 'policy.ts': source.replaceAll('return mutate(', 'if (true) return mutate(') });
  await t.resolves(buildPolicy({ entry: join(folder, 'policy.ts'), optimize: false }));
});

test('host calls are made as the host expects them, and answered', async (t) => {
  const source = `import { PolicyRequest, PolicyResponse, accept, getManifest, getManifestDigest, getResource, guestCall, hostCall,
      listResources, listResourcesByNamespace, logError, logInfo, logWarning, logDebug, lookupHost, reject } from "@portcullis/assemblyscript/assembly";
    @json class Settings {}
    function validate(request: PolicyRequest, settings: Settings): PolicyResponse {
      if (request.name == "unwrap") return reject(hostCall("refused", "x", "").unwrap());
      getResource("v1", "ConfigMap", "n", "ns");
      getResource("v1", "Namespace", "n");
      listResources("apps/v1", "Deployment", "app=x");
      listResourcesByNamespace("v1", "Pod", "ns");
      getManifestDigest("ghcr.io/a/b:1");
      getManifest("ghcr.io/a/b:1");
      lookupHost("example.org");
      logDebug("d"); logInfo("i \\"q\\""); logWarning("w"); logError("e");
      return reject(hostCall("any", "thing", "{}", "other").payload + hostCall("refused", "x", "").error);
    }
    function validateSettings(settings: Settings): string | null { return null; }
    export function __guest_call(a: i32, b: i32): i32 { return guestCall<Settings>(a, b, validate, validateSettings); }`;
  const folder = t.testdir({ 'policy.ts': source });
  const bytes = await buildPolicy({ entry: join(folder, 'policy.ts'), optimize: false });
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  const { response, hostCalls } = call(module, 'validate', '{"request":{"name":"x"},"settings":{}}');
  t.match(parseValidationResponse(encoder.encode(response)), { message: '{"näh":1}unknown namespace: refused' });
  const calls = hostCalls.map((each) => {
    const [, target = '', payload = ''] = /^(\S+ \S+ \S+) (.*)$/.exec(each) ?? [];
    return [target, payload === '' ? '' : JSON.parse(payload)];
  });
  t.same(calls, [
    [
      'kubewarden kubernetes get_resource',
      { api_version: 'v1', kind: 'ConfigMap', name: 'n', namespace: 'ns', disable_cache: false },
    ],
    ['kubewarden kubernetes get_resource', { api_version: 'v1', kind: 'Namespace', name: 'n', disable_cache: false }],
    [
      'kubewarden kubernetes list_resources_all',
      { api_version: 'apps/v1', kind: 'Deployment', label_selector: 'app=x', disable_cache: false },
    ],
    [
      'kubewarden kubernetes list_resources_by_namespace',
      { api_version: 'v1', kind: 'Pod', namespace: 'ns', disable_cache: false },
    ],
    ['kubewarden oci v1/manifest_digest', 'ghcr.io/a/b:1'],
    ['kubewarden oci v1/oci_manifest', 'ghcr.io/a/b:1'],
    ['kubewarden net v1/dns_lookup_host', 'example.org'],
    ['kubewarden tracing log', { level: 'debug', message: 'd' }],
    ['kubewarden tracing log', { level: 'info', message: 'i "q"' }],
    ['kubewarden tracing log', { level: 'warning', message: 'w' }],
    ['kubewarden tracing log', { level: 'error', message: 'e' }],
    ['other any thing', {}],
    ['kubewarden refused x', ''],
  ]);
  const unwrapped = call(module, 'validate', '{"request":{"name":"unwrap"},"settings":{}}');
  t.match(unwrapped, { trapped: true, log: [/^unknown namespace: refused \(/] });
});

test('mistakes are reported in the words of the compiler', async (t) => {
  const folder = t.testdir({});
  const build = async (source: string): Promise<Uint8Array> => {
    const entry = join(folder, 'policy.ts');
    await writeFile(entry, source);
    return buildPolicy({ entry, optimize: false });
  };
  await t.rejects(build('export function __guest_call(a: i32): i32 { return b; }'), {
    name: 'BuildError',
    code: 'compilation-failed',
    message: /policy\.ts does not compile:\n[\s\S]*ERROR TS2304: Cannot find name 'b'\./,
  });
  await t.rejects(
    build(
      'import { accept } from "@portcullis/assemblyscript/assembly"; export function f(): f64 { accept(); return Math.random(); }',
    ),
    {
      code: 'imports-unexpected',
      message: /env\.seed/,
    },
  );
  await t.rejects(buildPolicy({ entry: join(folder, 'missing.ts') }), { code: 'compilation-failed' });
});
