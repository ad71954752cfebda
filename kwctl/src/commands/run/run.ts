import { availableParallelism } from 'node:os';
import { boundBackgroundCompilation, createEvaluator } from '@portcullis/evaluator';
import { stringifyAdmissionResponse } from '@portcullis/protocol';
import type { CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext } from '../../environment.ts';
import { evaluatePlan } from './evaluation.ts';
import { openHost } from './host.ts';
import { readRequest } from './input.ts';
import { loadModules } from './modules.ts';
import { runOptions } from './options.ts';
import { checkContextAccess, hostCapabilities } from './permissions.ts';
import { planPolicies } from './plans.ts';

/** `kwctl run`: asks one policy, or each policy of a YAML file, about one request. */
export async function run(given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment, log } = context;
  const options = runOptions(given);
  const plans = await planPolicies(options, context);
  const request = await readRequest(options.requestPath, environment);
  const allowList = hostCapabilities(options.hostCapabilities);
  await using host = await openHost(options, given, context);
  const modules = await loadModules(plans, given, context);
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
  host.begin();
  for (const plan of plans) {
    const response = await evaluatePlan(plan, { ...options, evaluator, modules, request, allowList, log });
    await host.next();
    environment.write(`${stringifyAdmissionResponse(response)}\n`);
  }
  host.tellUnplayed();
}

const TARGET = 'kwctl::run';
