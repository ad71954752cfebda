import { availableParallelism } from 'node:os';
import { boundBackgroundCompilation } from '@portcullis/evaluator';
import type { CapabilityAllowList } from '@portcullis/protocol';
import type { CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext } from '../../environment.ts';
import { openHost, type PolicyHost } from '../run/host.ts';
import { readRequest } from '../run/input.ts';
import { loadModules } from '../run/modules.ts';
import { runOptions, type RunOptions } from '../run/options.ts';
import { checkContextAccess, hostCapabilities } from '../run/permissions.ts';
import { planPolicies } from '../run/plans.ts';
import { HostDesk } from './host-desk.ts';
import { MeasuredPolicy } from './measured-policy.ts';
import { measureOperation, type Measurement } from './measurement.ts';
import { benchOptions, type BenchOptions } from './options.ts';
import { createReport, SILENT_REPORT, type Report } from './report.ts';
import { dumpResults, resultsJson, type PolicyResult } from './results.ts';
import { subjectsOf, type Subject } from './subject.ts';
import { requireUsable } from './trial.ts';

/** `kwctl bench`: how long the functions of a policy take, or those of each policy of a YAML file. */
export async function bench(given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment, log } = context;
  const options = { ...benchOptions(given), ...runOptions(given) };
  const plans = await planPolicies(options, context);
  const request = await readRequest(options.requestPath, environment);
  const allowList = hostCapabilities(options.hostCapabilities);
  await using trialHost = await openHost(options, given, context);
  // Neither recorded nor logged: it would be the same thousands of times.
  await using host = await openHost({ ...options, recordPath: undefined }, given, { ...context, log: () => undefined });
  const modules = await loadModules(plans, given, context);
  checkContextAccess(plans, modules, { options, log });
  const subjects = plans.flatMap((plan) => subjectsOf(plan, { ...options, modules, request }));
  boundBackgroundCompilation(availableParallelism());
  const results: PolicyResult[] = [];
  for (const subject of subjects) {
    const report = reportOf(context, options, subjects.length === 1 ? '' : `${subject.policyId} `);
    results.push(await measureSubject(subject, { options, context, trialHost, host, allowList, report }));
  }
  if (options.isJson) environment.write(`${resultsJson(results, false)}\n`);
  if (options.isDumped) await dumpResults(results, context);
}

function reportOf({ environment, colorsStdout }: CommandContext, options: BenchOptions, prefix: string): Report {
  if (options.isJson) return SILENT_REPORT;
  return createReport({
    ...options,
    write: environment.write,
    color: colorsStdout === true,
    columns: environment.terminal.stdoutColumns,
    prefix,
  });
}

interface Bench {
  readonly options: BenchOptions & RunOptions;
  readonly context: CommandContext;
  /** Answers the policy the first time. */
  readonly trialHost: PolicyHost;
  readonly host: PolicyHost;
  readonly allowList: CapabilityAllowList;
  readonly report: Report;
}

async function measureSubject(subject: Subject, bench: Bench): Promise<PolicyResult> {
  const { options, context, trialHost, host, report } = bench;
  const { policyId, module } = subject;
  const name = `${policyId} (${module})`;
  using desk = new HostDesk(subject, trialHost, bench.allowList);
  await using policy = await MeasuredPolicy.open(
    { ...subject.setup, cacheDir: options.keepsNothingOnDisk ? undefined : cacheFolder(context.environment) },
    {
      name,
      timeoutMs: subject.timeoutMs,
      hostCall: (call, iteration) => desk.answer(call, iteration),
      guestLog: (level, message) => context.log({ level, target: 'policy_log', message: message.trimEnd(), policyId }),
    },
  );
  trialHost.begin();
  await requireUsable(policy, name);
  await trialHost.next();
  trialHost.tellUnplayed();
  desk.turnTo(host);
  const measurements: Measurement[] = [];
  for (const operation of ['validate_settings', 'validate'] as const) {
    const measurement = await measureOperation(policy, operation, options, report);
    report.onMeasured(measurement);
    measurements.push(measurement);
  }
  return { policyId, module, measurements };
}
