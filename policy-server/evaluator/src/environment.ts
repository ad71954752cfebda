import { messageOf } from '@portcullis/protocol';
import type { AdmissionResponse, StatusCause } from '@portcullis/protocol';
import { evaluateGroup, type MemberEvaluation } from './admission/group/group.ts';
import type { GroupExpression } from './admission/group/expression/expression.ts';
import { parseGroupExpression } from './admission/group/expression/parser.ts';
import { applyPolicyMode, type PolicyModeOptions } from './admission/mode.ts';
import { rejection } from './admission/rejection.ts';
import type {
  BrokenPolicy,
  GroupDefinition,
  PolicyDefinition,
  PolicyMode,
  PolicyRow,
  PolicyRunDefinition,
} from './definitions.ts';
import { EvaluationError } from './errors.ts';
import type { Evaluated, EvaluationInput, Evaluator, PolicyRun } from './evaluator.ts';
import type { RunOptions } from './pool/flights.ts';
import { monotonicMs } from './pool/turns.ts';
import { parsePolicyId } from './policy-id.ts';

/** A policy's own answer in short; texts are the policy's and of any length. */
export interface VanillaVerdict {
  readonly accepted: boolean;
  readonly mutated: boolean;
  readonly message?: string;
  /** The refusals of a group's members. */
  readonly causes?: readonly StatusCause[];
  readonly code?: number;
}

export interface EvaluationOutcome {
  /** The answer to the request. */
  readonly response: AdmissionResponse;
  /** What the policy itself said, before its mode was applied. */
  readonly vanilla: VanillaVerdict;
  readonly mode: PolicyMode;
  readonly allowedToMutate: boolean;
  /** `false` = there was no policy to ask: it is broken or could not start. Not even monitor mode accepts that. */
  readonly initialised: boolean;
}

export interface EnvironmentOptions {
  /** Requests in this namespace are accepted without asking anyone. */
  readonly alwaysAcceptNamespace?: string | undefined;
  /** A monotonic clock in milliseconds. @default the clock of the process */
  readonly nowMs?: () => number;
}

interface Group {
  readonly definition: GroupDefinition;
  readonly expression: GroupExpression;
  /** Under their full names. */
  readonly members: ReadonlyMap<string, PolicyRun>;
}

/** Who is asked about a request. */
type Target =
  | { readonly kind: 'policy'; readonly definition: PolicyDefinition; readonly run: PolicyRun }
  | { readonly kind: 'group'; readonly group: Group }
  | { readonly kind: 'broken'; readonly definition: BrokenPolicy };

/** The policies of a server: who they are, and what a request to one of them is answered. */
export class EvaluationEnvironment {
  readonly #evaluator: Evaluator;
  readonly #alwaysAcceptNamespace: string | undefined;
  readonly #nowMs: () => number;
  /** `undefined` while a policy is being registered. */
  readonly #targets = new Map<string, Target | undefined>();

  constructor(evaluator: Evaluator, options: EnvironmentOptions = {}) {
    this.#evaluator = evaluator;
    this.#alwaysAcceptNamespace = options.alwaysAcceptNamespace;
    this.#nowMs = options.nowMs ?? monotonicMs;
  }

  /**
   * Adds a policy once its settings are found valid, a group once its expression is too.
   *
   * @throws EvaluationError `settings-invalid`, `expression-invalid`, `duplicate-policy`, `policy-id-invalid`
   */
  async register(definition: PolicyDefinition | GroupDefinition | BrokenPolicy): Promise<void> {
    const { id } = definition;
    if (parsePolicyId(id).kind === 'member')
      throw new EvaluationError('policy-id-invalid', `Not a valid Policy ID: ${id}`);
    if (this.#targets.has(id)) throw new EvaluationError('duplicate-policy', `there is a policy "${id}" already`);
    this.#targets.set(id, undefined);
    try {
      this.#targets.set(id, await this.#prepare(definition));
    } catch (error) {
      this.#targets.delete(id);
      throw error;
    }
  }

  /** In the order of registration. */
  policies(): PolicyRow[] {
    return [...this.#targets.values()].filter((target) => target !== undefined).map(rowOf);
  }

  /**
   * Answers a request. `audit` asks for the policy's own answer: neither monitor mode nor the rule on mutations nor a custom
   * message bears on it.
   *
   * @throws EvaluationError `unknown-policy`, `policy-id-invalid`, `overloaded`, `aborted`, `closed`
   */
  async evaluate(
    id: string,
    origin: 'validate' | 'audit',
    input: EvaluationInput,
    options: RunOptions = {},
  ): Promise<EvaluationOutcome> {
    const target = this.#find(id);
    const { uid } = input.request;
    if (this.#alwaysAccepts(input)) {
      // A policy that never came to be has no such exemption to give.
      if (target.kind === 'broken') throw unknownPolicy(id);
      return outcomeOf({ response: acceptance(uid), initialised: true }, handlingOf(target));
    }
    const handling = handlingOf(target);
    // In monitor mode a policy refuses nothing, so nothing depends on its answer.
    const isSheddable = origin === 'validate' && handling.mode === 'monitor';
    const evaluated = await this.#ask(target, input, uid, { ...options, isSheddable });
    const outcome = outcomeOf(evaluated, handling);
    if (origin === 'audit' || !evaluated.initialised) return outcome;
    return { ...outcome, response: applyPolicyMode(evaluated.response, handling) };
  }

  #alwaysAccepts(input: EvaluationInput): boolean {
    const exempt = this.#alwaysAcceptNamespace;
    return exempt !== undefined && input.kind === 'kubernetes' && input.request.namespace === exempt;
  }

  #find(id: string): Target {
    const parsed = parsePolicyId(id);
    const target = this.#targets.get(parsed.kind === 'name' ? parsed.name : parsed.group);
    if (target === undefined) throw unknownPolicy(id);
    if (parsed.kind === 'name' || target.kind === 'broken') return target;
    const run = target.kind === 'group' ? target.group.members.get(parsed.member) : undefined;
    if (run === undefined) throw unknownPolicy(id);
    return { kind: 'policy', definition: { kind: 'policy', id, run, mode: 'protect', allowedToMutate: false }, run };
  }

  async #ask(target: Target, input: EvaluationInput, uid: string, options: RunOptions): Promise<Evaluated> {
    switch (target.kind) {
      case 'broken':
        return { response: rejection(uid, target.definition.message, 500), initialised: false };
      case 'policy':
        return this.#evaluator.evaluate(target.run, input, options);
      case 'group':
        return this.#askGroup(target.group, input, uid, options);
    }
  }

  async #askGroup(group: Group, input: EvaluationInput, uid: string, options: RunOptions): Promise<Evaluated> {
    const { definition, expression } = group;
    const endsAtMs = options.deadlineMs === undefined ? undefined : this.#nowMs() + options.deadlineMs;
    const members = new Map<string, MemberEvaluation>();
    for (const [name, policy] of group.members) {
      members.set(name, async () => {
        const deadlineMs = endsAtMs === undefined ? undefined : endsAtMs - this.#nowMs();
        const { response, initialised } = await this.#evaluator.evaluate(policy, input, { ...options, deadlineMs });
        if (!initialised) throw new MemberNotInitialised(policy.policyId, response);
        return response;
      });
    }
    try {
      const response = await evaluateGroup(expression, members, definition, uid);
      return { response, initialised: true };
    } catch (error) {
      if (!(error instanceof MemberNotInitialised)) throw error;
      return {
        response: rejection(uid, `error evaluating policy group expression: ${error.message}`, 500),
        initialised: true,
      };
    }
  }

  async #prepare(definition: PolicyDefinition | GroupDefinition | BrokenPolicy): Promise<Target> {
    switch (definition.kind) {
      case 'broken':
        return { kind: 'broken', definition };
      case 'policy': {
        const run = named(definition.id, definition.run);
        const problem = await this.#settingsProblem(run);
        if (problem !== undefined) throw new EvaluationError('settings-invalid', problem);
        return { kind: 'policy', definition, run };
      }
      case 'group':
        return { kind: 'group', group: await this.#prepareGroup(definition) };
    }
  }

  async #prepareGroup(definition: GroupDefinition): Promise<Group> {
    const expression = parseExpression(definition);
    const members = new Map(
      Array.from(definition.members, ([name, run]) => [name, named(`${definition.id}/${name}`, run)]),
    );
    const problems = await Promise.all(
      Array.from(members, async ([name, run]) => {
        const problem = await this.#settingsProblem(run);
        return problem === undefined ? [] : [`member "${name}": ${problem}`];
      }),
    );
    const all = problems.flat();
    if (all.length > 0) throw new EvaluationError('settings-invalid', all.join('; '));
    return { definition, expression, members };
  }

  async #settingsProblem(policy: PolicyRun): Promise<string | undefined> {
    const { valid, message } = await this.#evaluator.validateSettings(policy);
    return valid ? undefined : `Policy settings are invalid: ${message ?? 'no message'}`;
  }
}

/** Start code of a member failed: the group has no answer, not even a refusal by that member. */
class MemberNotInitialised extends Error {
  constructor(memberId: string, { status }: AdmissionResponse) {
    super(`error invoking ${memberId}: ${status?.message ?? 'the policy could not start'}`);
  }
}

function parseExpression({ expression, members }: GroupDefinition): GroupExpression {
  try {
    return parseGroupExpression(expression, [...members.keys()]);
  } catch (error) {
    const problem = messageOf(error);
    throw new EvaluationError('expression-invalid', `error evaluating policy group expression: ${problem}`, {
      cause: error,
    });
  }
}

function named(policyId: string, run: PolicyRunDefinition): PolicyRun {
  return { ...run, policyId };
}

function modeOf(target: Target): PolicyMode {
  if (target.kind === 'broken') return 'protect';
  return target.kind === 'policy' ? target.definition.mode : target.group.definition.mode;
}

/** Members of a group cannot mutate, so a group has nothing to allow; its message is in its answer already. */
function handlingOf(target: Target): PolicyModeOptions {
  if (target.kind === 'policy') return target.definition;
  const id = target.kind === 'group' ? target.group.definition.id : target.definition.id;
  return { id, mode: modeOf(target), allowedToMutate: false };
}

function outcomeOf(
  { response, initialised }: Evaluated,
  { mode, allowedToMutate }: PolicyModeOptions,
): EvaluationOutcome {
  return { response, vanilla: vanillaOf(response), mode, allowedToMutate, initialised };
}

function vanillaOf({ allowed, patch, status }: AdmissionResponse): VanillaVerdict {
  const { message, details, code } = status ?? {};
  return {
    accepted: allowed,
    mutated: patch !== undefined,
    ...(message !== undefined && { message }),
    ...(details?.causes !== undefined && { causes: details.causes }),
    ...(code !== undefined && { code }),
  };
}

function rowOf(target: Target): PolicyRow {
  if (target.kind === 'broken') {
    const { id, message } = target.definition;
    return { id, kind: 'broken', mode: undefined, modules: [], problem: message };
  }
  const runs = target.kind === 'policy' ? [target.definition.run] : [...target.group.definition.members.values()];
  const { id } = target.kind === 'policy' ? target.definition : target.group.definition;
  return { id, kind: target.kind, mode: modeOf(target), modules: runs.map((run) => run.module), problem: undefined };
}

function acceptance(uid: string): AdmissionResponse {
  return { uid, allowed: true, auditAnnotations: null, warnings: null };
}

function unknownPolicy(id: string): EvaluationError {
  return new EvaluationError('unknown-policy', `unknown policy: ${id}`);
}
