import { fileURLToPath } from 'node:url';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import type { Log } from '../../output/log.ts';
import { locatePolicy } from '../../policy-location.ts';
import { parseCustomResources } from './custom-resource.ts';
import { readText } from './input.ts';
import type { RunOptions } from './options.ts';
import type { Plan } from './planned-policy.ts';
import { readSettings } from './settings.ts';

/** What the command line asks to be evaluated: one policy, or all those of a YAML file. */
export async function planPolicies(options: RunOptions, context: CommandContext): Promise<readonly Plan[]> {
  return isYamlFile(options.policy)
    ? customResourcePlans(options, context.log)
    : [await commandLinePlan(options, context)];
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

async function commandLinePlan(options: RunOptions, context: CommandContext): Promise<Plan> {
  const { location, storedOnly } = await locatePolicy(options.policy, context);
  const settings = await readSettings(options.settingsPath, options.settingsJson);
  return {
    kind: 'policy',
    id: 'policy-from-cli',
    mode: 'protect',
    allowedToMutate: true,
    module: { location, storedOnly, settings, contextAwareResources: 'from-metadata' },
    ...(options.executionMode !== undefined && { executionMode: options.executionMode }),
  };
}
