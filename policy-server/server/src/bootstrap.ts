import type { BrokenPolicy, GroupDefinition, InstanceReport, PolicyDefinition, PolicyRun } from '@portcullis/evaluator';
import { encodeJson } from '@portcullis/protocol';
import pLimit, { type LimitFunction } from 'p-limit';
import type { GroupEntry, PoliciesEntry, PolicyEntry, PolicySource } from './config/policies/entry.ts';
import type { LoadedPolicies } from './config/policies/load.ts';
import { describeError, ServerError } from './errors.ts';
import { loadFailure } from './load-failure.ts';
import type { ModuleCatalogue } from './module-catalogue.ts';
import type { PolicyTableRow } from './policy-table.ts';
import { logFor, type Log } from './telemetry/log.ts';

export interface BootstrapOptions {
  readonly modules: ModuleCatalogue;
  /** Takes a policy into service; rejects when its settings are refused. */
  readonly register: (definition: PolicyDefinition | GroupDefinition | BrokenPolicy) => Promise<void>;
  /** Makes every thread ready for a policy in service; tells how its evaluations come to their first state. */
  readonly warm: (policy: PolicyRun) => Promise<InstanceReport>;
  readonly policyTimeoutMs: number | undefined;
  readonly continueOnErrors: boolean;
  /** Aborted when nobody wants the policies any more. */
  readonly stop?: AbortSignal | undefined;
  readonly log: Log;
}

/** Why one policy cannot be served; `message` is what its clients are told. */
interface Failure {
  readonly id: string;
  readonly message: string;
  /** What the operator is told: it also says where to look. */
  readonly report: string;
}

/** Policies that are brought into service at the same time: a server may have more than evaluations may wait. */
const REGISTRATIONS = 16;

interface Served {
  readonly rows: readonly PolicyTableRow[];
  readonly failure: Failure | undefined;
}

/**
 * Brings all policies into service at once. One that fails costs the others nothing: with `continueOnErrors` its clients are
 * told why, without it every failure is reported before the server gives up.
 *
 * @throws ServerError `policies-broken`
 */
export async function bootstrap(
  policies: LoadedPolicies,
  options: BootstrapOptions,
): Promise<readonly PolicyTableRow[]> {
  // Nobody waits for another's module: each goes on when its own is here.
  const registrations = pLimit(REGISTRATIONS);
  const served = await Promise.all(policies.entries.map((entry) => serve(entry, options, registrations)));
  options.stop?.throwIfAborted();
  const failures = served.flatMap(({ failure }) => failure ?? []);
  if (failures.length > 0 && !options.continueOnErrors) throw failureReport(failures);
  const log = logFor(options.log, 'policy_server::bootstrap');
  for (const { id, message } of failures) {
    log.error('policy cannot be served', { policy_id: id, error: message });
    await options.register({ kind: 'broken', id, message });
  }
  const rows = served.flatMap((entry) => entry.rows);
  const evaluable = rows.filter(({ kind }) => kind !== 'group').length;
  log.info(`${evaluable} policies, ${options.modules.uniqueModules} unique modules`, {
    policies_count: evaluable,
    unique_modules: options.modules.uniqueModules,
    failed: failures.length,
  });
  return rows;
}

function failureReport(failures: readonly Failure[]): ServerError {
  const details = failures.map(({ report }) => report);
  if (details.length === 1) return new ServerError('policies-broken', details.join(''));
  return new ServerError('policies-broken', `${details.length} policies cannot be served, listed above`, { details });
}

async function serve(entry: PoliciesEntry, options: BootstrapOptions, registrations: LimitFunction): Promise<Served> {
  const sources = entry.kind === 'policy' ? [entry.source] : [...entry.members.values()];
  const runs = await Promise.all(sources.map((source) => prepareRun(source, options)));
  const unprepared = runs.filter((run) => 'problem' in run);
  if (unprepared.length > 0) {
    // Whoever calls a group is told about the group: a broken member makes all of it unservable.
    const message = unprepared.map(({ problem }) => problem).join('; ');
    const failure = { id: entry.id, message, report: unprepared.map(({ report }) => report).join('; ') };
    return { rows: rowsOf(entry, { runs, failure, reports: [] }), failure };
  }
  const ready = runs.filter((run) => 'module' in run);
  // Settings are judged on one thread: the others need not wait for that.
  const [failure, reports] = await registrations(() =>
    Promise.all([register(entry, ready, options), warm(ready, options)]),
  );
  return { rows: rowsOf(entry, { runs, failure, reports: failure === undefined ? reports : [] }), failure };
}

/** Before the server is ready: the first request to a policy should find it as fast as the hundredth. */
function warm(runs: readonly PolicyRun[], options: BootstrapOptions): Promise<readonly InstanceReport[]> {
  return Promise.all(runs.map((run) => options.warm(run)));
}

/** A module that could not be had; the text names the policy. */
interface Unprepared {
  readonly problem: string;
  /** The same for the operator. */
  readonly report: string;
}

async function prepareRun(source: PolicySource, options: BootstrapOptions): Promise<PolicyRun | Unprepared> {
  try {
    return {
      policyId: source.id,
      module: await options.modules.module(source.module),
      settings: encodeJson(source.settings),
      timeoutMs: source.timeoutMs ?? options.policyTimeoutMs,
      allowList: source.allowList,
      contextAwareResources: source.contextAwareResources,
    };
  } catch (error) {
    const { text, namesPolicy } = loadFailure(source, error);
    const problem = `bootstrap failure: ${source.id}: ${text}`;
    return { problem, report: namesPolicy ? text : problem };
  }
}

async function register(
  entry: PoliciesEntry,
  runs: readonly PolicyRun[],
  options: BootstrapOptions,
): Promise<Failure | undefined> {
  try {
    await options.register(entry.kind === 'policy' ? policyDefinition(entry, runs) : groupDefinition(entry, runs));
    return undefined;
  } catch (error) {
    const message = describeError(error);
    return { id: entry.id, message, report: `policy '${entry.id}': ${message}` };
  }
}

function policyDefinition(entry: PolicyEntry, runs: readonly PolicyRun[]): PolicyDefinition {
  const [run] = runs;
  if (run === undefined) throw new Error(`policy '${entry.id}' has no module`);
  return {
    kind: 'policy',
    id: entry.id,
    run,
    mode: entry.mode,
    allowedToMutate: entry.allowedToMutate,
    ...(entry.message !== undefined && { message: entry.message }),
  };
}

function groupDefinition(entry: GroupEntry, runs: readonly PolicyRun[]): GroupDefinition {
  const names = [...entry.members.keys()];
  const members = new Map(runs.map((run, index) => [names[index] ?? '', run]));
  const { id, expression, message, mode } = entry;
  return { kind: 'group', id, members, expression, message, mode };
}

/** What came of the policies of one entry, each in its order. */
interface EntryState {
  readonly runs: readonly (PolicyRun | Unprepared)[];
  readonly failure: Failure | undefined;
  /** Of policies in service. */
  readonly reports: readonly InstanceReport[];
}

function rowsOf(entry: PoliciesEntry, { runs, failure, reports }: EntryState): readonly PolicyTableRow[] {
  const rowOf = (source: PolicySource, index: number): PolicyTableRow => {
    const run = runs[index];
    const module = run !== undefined && 'module' in run ? run.module : undefined;
    const own = run !== undefined && 'problem' in run ? run.problem : undefined;
    return {
      id: source.id,
      kind: entry.kind === 'policy' ? 'policy' : 'member',
      mode: entry.kind === 'policy' ? entry.mode : 'protect',
      executionMode: module?.mode,
      sha256: module?.sha256,
      sizeBytes: module?.sizeBytes,
      instances: reports[index],
      problem: entry.kind === 'policy' ? failure?.message : (own ?? (failure && 'its group cannot be served')),
    };
  };
  if (entry.kind === 'policy') return [rowOf(entry.source, 0)];
  const blank = { executionMode: undefined, sha256: undefined, sizeBytes: undefined, instances: undefined };
  const group: PolicyTableRow = { id: entry.id, kind: 'group', mode: entry.mode, ...blank, problem: failure?.message };
  return [group, ...[...entry.members.values()].map(rowOf)];
}
