import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'tap';
import { accept, definePolicy, defineRawPolicy, deny, mutate, schema } from './index.ts';
import type { AdmissionRequest, Deployment, Infer, Pod } from './index.ts';
import { admissionRequest } from './testing.ts';

// Most of this file is read by the compiler only: what must not compile says so, and the type check fails when it does.

const settings = schema.object({
  name: schema.string(),
  count: schema.number().default(3),
  list: schema.list(schema.string()),
  mode: schema.oneOf('a', 'b'),
  maybe: schema.string().optional(),
  nested: schema.object({ on: schema.boolean() }),
  parts: schema.string().map((text) => text.split(',')),
});

const used = ({ name, count, list, mode, maybe, nested, parts }: Infer<typeof settings>) => {
  const exact: [string, number, readonly string[], 'a' | 'b', string | undefined, boolean, readonly string[]] = [
    name,
    count,
    list,
    mode,
    maybe,
    nested.on,
    parts,
  ];
  return exact;
};

const inferred = definePolicy({
  settings,
  validate(request, context) {
    used(context.settings);
    const read = [
      // @ts-expect-error no such setting
      () => context.settings.nope,
      // @ts-expect-error a text is no number
      () => context.settings.name.toFixed(),
      // @ts-expect-error 'c' is not among the modes
      () => context.settings.mode === 'c',
      // @ts-expect-error an optional setting may be absent
      () => context.settings.maybe.length,
      // @ts-expect-error an object without a type is unknown
      () => request.object.metadata,
      // @ts-expect-error a typing error
      () => request.opertion,
    ];
    // @ts-expect-error settings are not the policy's to change
    const write = () => (context.settings.name = 'x');
    return read.length > 0 && write.length === 0 ? accept() : deny('never');
  },
});

const refused = [
  definePolicy({
    // @ts-expect-error a policy without settings has none
    validate: (_request, context) => deny(context.settings.anything),
  }),
  // @ts-expect-error a policy answers at once
  () => definePolicy({ validate: async () => accept() }),
  // @ts-expect-error a boolean is no verdict
  () => definePolicy({ validate: () => true }),
  // @ts-expect-error nothing is no verdict
  () => definePolicy({ validate: () => {} }),
  // @ts-expect-error validate is missing
  () => definePolicy({}),
  // @ts-expect-error settings are a schema
  () => definePolicy({ settings: { name: 'text' }, validate: () => accept() }),
  // @ts-expect-error what replaces a Pod is a Pod
  () => definePolicy({ validate: (_request: AdmissionRequest<Pod>) => mutate({ kind: 3 }) }),
  // @ts-expect-error a denial has a reason
  () => deny(),
  // @ts-expect-error a typing error
  () => deny('no', { codee: 403 }),
];

const typed = [
  definePolicy({
    settings: schema.object({ replicas: schema.integer() }),
    validate({ object }: AdmissionRequest<Deployment>, context) {
      if (object?.spec === undefined) return accept();
      return mutate({ ...object, spec: { ...object.spec, replicas: context.settings.replicas } });
    },
  }),
  defineRawPolicy({ validate: ({ count }: { count: number }) => mutate({ count: count + 1 }) }),
];

test('types follow from the schema and the annotation; what is wrong does not compile', async (t) => {
  t.same(
    [inferred, ...typed].map(({ input }) => input),
    ['kubernetes', 'kubernetes', 'raw'],
  );
  t.equal(refused.length, 9);
});

test('a policy needs no types of a browser, and none of another package, to be compiled', async (t) => {
  const sdk = fileURLToPath(new URL('.', import.meta.url));
  const tsc = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url));
  const names = ['index.ts', 'testing.ts', 'build.ts', '../../assemblyscript/src/index.ts'];
  const sources = names.map((name) => sdk + name);
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2024 --lib es2025,esnext.disposable --types node';
  const modules = '--module nodenext --allowImportingTsExtensions --verbatimModuleSyntax';
  const compiled = promisify(execFile)(tsc, [...flags.split(' '), ...modules.split(' '), ...sources], { cwd: sdk });
  t.equal(
    await compiled.then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    ),
    '',
  );
});

test('the plural of a kind is guessed as the API machinery would', async (t) => {
  const plural = (kind: string): string => admissionRequest({ apiVersion: 'v1', kind }).resource.resource;
  t.same(['Pod', 'NetworkPolicy', 'Gateway', 'Ingress', 'Endpoints', 'Mailbox', 'Batch'].map(plural), [
    'pods',
    'networkpolicies',
    'gateways',
    'ingresses',
    'endpoints',
    'mailboxes',
    'batches',
  ]);
});
