import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildPolicyFolder, defaultCacheDir } from '@portcullis/sdk/build';
import {
  admissionRequest,
  evaluateBoth,
  evaluatePolicy,
  readExamples,
  validateSettings,
} from '@portcullis/sdk/testing';
import type { EvaluationOptions } from '@portcullis/sdk/testing';
import { test } from 'tap';
import { policy } from '../src/policy.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));
const { module } = await buildPolicyFolder({ folder, cacheDir: defaultCacheDir(process.env) });

/** Every verdict is asked of the source and of the module built from it. */
const evaluate = (options: EvaluationOptions) => evaluateBoth(policy, module, options);
const fixture = (name: string) => readFile(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8');

const privileged = { name: 'p', image: 'i', securityContext: { privileged: true } };
const plain = { name: 'q', image: 'i', securityContext: { privileged: false } };
const pod = (spec: object) => admissionRequest({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec });

test('validate denies recorded requests with a privileged container', async (t) => {
  for (const name of ['pod-create', 'deployment-create', 'cronjob-create', 'pod-ephemeral-container']) {
    const { accepted, message } = evaluate({ request: await fixture(name) });
    t.equal(accepted, false, name);
    t.equal(message, 'privileged containers are not allowed: container "nginx"', name);
  }
});

test('validate accepts what has nothing to look at', async (t) => {
  t.equal(evaluate({ request: await fixture('pod-delete') }).accepted, true, 'DELETE');
  t.equal(evaluate({ request: pod({ containers: null }) }).accepted, true, 'no list');
  t.equal(evaluate({ request: pod({ containers: [plain, { name: 'r', securityContext: null }] }) }).accepted, true);
  t.equal(
    evaluate({ request: admissionRequest({ apiVersion: 'apps/v1', kind: 'Deployment', spec: {} }) }).accepted,
    true,
  );
});

test('validate names every privileged container by its list', async (t) => {
  const request = pod({
    containers: [plain, privileged],
    initContainers: [privileged],
    ephemeralContainers: [privileged],
  });
  t.equal(
    evaluate({ request }).message,
    'privileged containers are not allowed: container "p", init container "p", ephemeral container "p"',
  );
  const settings = { skipInitContainers: true, skipEphemeralContainers: true };
  t.equal(evaluate({ request, settings }).message, 'privileged containers are not allowed: container "p"');
  t.equal(evaluate({ request: pod({ ephemeralContainers: [privileged] }), settings }).accepted, true);
});

test('validate fails, and does not accept, when it is bound to a kind without Pods', (t) => {
  const widget = admissionRequest({ apiVersion: 'example.com/v1', kind: 'Deployment' });
  t.throws(() => evaluatePolicy(policy, { request: widget }), { name: 'UnsupportedKindError' });
  t.throws(() => evaluatePolicy(module, { request: widget }), {
    message: /^UnsupportedKindError: a Deployment of group/,
  });
  t.end();
});

test('settings: unknown keys and wrong types are refused with their place', (t) => {
  t.same(validateSettings(module, { skipInitContainers: true }), { valid: true });
  t.same(validateSettings(module, { skipInitContainer: true, skipEphemeralContainers: 'yes' }), {
    valid: false,
    message:
      'settings.skipInitContainer: unknown key, expected skipInitContainers, skipEphemeralContainers; ' +
      'settings.skipEphemeralContainers: expected true or false, got a string',
  });
  t.end();
});

test('the examples of the README are true', async (t) => {
  for (const { settings, object, accepted, message } of readExamples(await readFile(`${folder}/README.md`, 'utf8'))) {
    const result = evaluate({ request: admissionRequest(object as { apiVersion: string; kind: string }), settings });
    t.match(result, { accepted, message });
  }
});
