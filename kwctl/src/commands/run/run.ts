import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { formatModuleLocation, KUBEWARDEN_VERSION, unmetMinimumVersion, type LoadedModule } from '@portcullis/artifact';
import { boundBackgroundCompilation, createEvaluator } from '@portcullis/evaluator';
import {
  CapabilityPatternError,
  parseCapabilityPatterns,
  stringifyAdmissionResponse,
  type CapabilityAllowList,
} from '@portcullis/protocol';
import type { CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import type { Log } from '../../output/log.ts';
import { loadPolicy, locatePolicy } from '../../policy-location.ts';
import { parseCustomResources } from './custom-resource.ts';
import { evaluatePlan, grantedResources, loadedModule } from './evaluation.ts';
import { PolicyHost } from './host.ts';
import { readRequest, readText } from './input.ts';
import { refuseRegistryOptions, runOptions, type RunOptions } from './options.ts';
import { modulesOf, type LoadedModules, type Plan } from './planned-policy.ts';
import { readSettings } from './settings.ts';

/** `kwctl run`: asks one policy, or each policy of a YAML file, about one request. */
export async function run(given: CommandArguments, { environment, log }: CommandContext): Promise<void> {
  const options = runOptions(given);
  const plans = isYamlFile(options.policy) ? await customResourcePlans(options, log) : [await commandLinePlan(options)];
  const request = await readRequest(options.requestPath, environment);
  refuseRegistryOptions(options);
  const allowList = hostCapabilities(options.hostCapabilities);
  using host = await PolicyHost.open({ ...options, log });
  const modules = await loadModules(plans);
  checkContextAccess(plans, modules, { options, log });
  if (plans.length > 1) {
    const message =
      'Multiple policies defined inside of the YAML file: all of them are run, one after the other, with the same request';
    log({ level: 'warn', target: TARGET, message });
  }
  const cacheDir = options.keepsNothingOnDisk ? undefined : cacheFolder(environment);
  await using evaluator = createEvaluator({
    workers: 1,
    // Each policy is asked a few times at most, and fresh instances are the literal truth.
    instances: 'fresh',
    hostCalls: host.hostCalls,
    ...(cacheDir !== undefined && { cacheDir }),
  });
  boundBackgroundCompilation(availableParallelism());
  // Threads start while modules are linked and compiled.
  evaluator.open();
  for (const plan of plans) {
    host.begin();
    const response = await evaluatePlan(plan, { ...options, evaluator, modules, request, allowList, log });
    await host.end();
    environment.write(`${stringifyAdmissionResponse(response)}\n`);
  }
}

const TARGET = 'kwctl::run';

function isYamlFile(text: string): boolean {
  return text.endsWith('.yaml') || text.endsWith('.yml');
}

async function customResourcePlans(options: RunOptions, log: Log): Promise<Plan[]> {
  const { policy: file, settingsPath, settingsJson, executionMode } = options;
  if (options.isRaw) {
    throw new KwctlError('custom-resource-invalid', `The --raw option cannot be used with a YAML file: ${file}`);
  }
  if (settingsPath !== undefined || settingsJson !== undefined) {
    log({
      level: 'info',
      target: TARGET,
      message: 'The settings given on the command line are ignored: policies of a YAML file bring their own',
    });
  }
  if (executionMode !== undefined) {
    log({
      level: 'info',
      target: TARGET,
      message:
        'The execution mode given on the command line is ignored: policies of a YAML file are run as their metadata says',
    });
  }
  const path = file.startsWith('file://') ? yamlPath(file) : file;
  return parseCustomResources(await readText(path, (reason) => `Cannot open YAML file "${file}": ${reason}`), file);
}

function yamlPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw new KwctlError(
      'file-unusable',
      `Cannot open YAML file "${url}": write an absolute path, as in file:///tmp/policy.yaml`,
    );
  }
}

async function commandLinePlan(options: RunOptions): Promise<Plan> {
  const location = await locatePolicy(options.policy);
  const settings = await readSettings(options.settingsPath, options.settingsJson);
  return {
    kind: 'policy',
    id: 'policy-from-cli',
    mode: 'protect',
    allowedToMutate: true,
    module: { location, settings, contextAwareResources: 'from-metadata' },
    ...(options.executionMode !== undefined && { executionMode: options.executionMode }),
  };
}

function hostCapabilities(patterns: readonly string[]): CapabilityAllowList {
  try {
    return parseCapabilityPatterns(patterns);
  } catch (error) {
    if (!(error instanceof CapabilityPatternError)) throw error;
    throw new KwctlError('capabilities-invalid', `Invalid host capabilities pattern: ${error.message}`, {
      cause: error,
    });
  }
}

/** Reads every module once, before anything runs. */
async function loadModules(plans: readonly Plan[]): Promise<LoadedModules> {
  const modules = new Map<string, LoadedModule>();
  for (const [, { location }] of plans.flatMap(modulesOf)) {
    const name = formatModuleLocation(location);
    if (modules.has(name)) continue;
    const loaded = await loadPolicy(location);
    const wanted = unmetMinimumVersion(loaded.metadata);
    if (wanted !== undefined) {
      throw new KwctlError(
        'module-invalid',
        `Policy required Kubewarden version ${wanted} or greater. But it's running on ${KUBEWARDEN_VERSION} (${name})`,
      );
    }
    modules.set(name, loaded);
  }
  return modules;
}

/** Access to a cluster is granted from a recorded session only; access that is needed and not granted is told. */
function checkContextAccess(
  plans: readonly Plan[],
  modules: LoadedModules,
  { options, log }: { options: RunOptions; log: Log },
): void {
  for (const [id, planned] of plans.flatMap(modulesOf)) {
    const loaded = loadedModule(planned, modules);
    const granted = grantedResources(planned, loaded, options.allowContextAware);
    if (granted.length > 0 && options.replayPath === undefined) {
      throw new KwctlError(
        'not-served',
        `${id} is granted access to Kubernetes resources, but this release does not connect to clusters: use --replay-host-capabilities-interactions`,
      );
    }
    const isDenied = planned.contextAwareResources === 'from-metadata' && granted.length === 0;
    if (isDenied && (loaded.metadata?.contextAwareResources.length ?? 0) > 0) warnDenied(log);
  }
}

function warnDenied(log: Log): void {
  for (const message of [
    'Policy requires access to Kubernetes resources at evaluation time. During this execution the access to Kubernetes resources is denied. This can cause the policy to not behave properly',
    'Carefully review which types of Kubernetes resources the policy needs via the `inspect` command, then run the policy using the `--allow-context-aware` flag',
  ]) {
    log({ level: 'warn', target: TARGET, message });
  }
}
