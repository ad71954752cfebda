export { EvaluationError, type EvaluationErrorCode } from './errors.ts';
export {
  createEvaluator,
  type Evaluated,
  type EvaluationInput,
  type Evaluator,
  type EvaluatorOptions,
  type EvaluatorStats,
  type HostCallContext,
  type HostCallHandler,
  type PolicyRun,
} from './evaluator.ts';
export type { RunOptions } from './pool/flights.ts';
export {
  EvaluationEnvironment,
  type EnvironmentOptions,
  type EvaluationOutcome,
  type VanillaVerdict,
} from './environment.ts';
export type {
  BrokenPolicy,
  GroupDefinition,
  PolicyDefinition,
  PolicyMode,
  PolicyRow,
  PolicyRunDefinition,
} from './definitions.ts';
export { type InlinePolicy, type InlinePolicyOptions, openInlinePolicy } from './inline-policy.ts';
export { onEvaluatorEvent, type EvaluatorEvents } from './events.ts';
export { boundBackgroundCompilation } from './background-compilation.ts';
export { collectGarbage } from './garbage.ts';
export { DEFAULT_LIMITS, DEFAULT_LOAD_TIMEOUT_MS, type EvaluatorLimits } from './limits.ts';
export type { PreparedModule } from './modules.ts';
export { formatInstanceReport } from './instance-report.ts';
export type { InstanceMode, InstanceReport } from './runtimes/runtime.ts';
export { formatPolicyId, parsePolicyId, type PolicyId } from './policy-id.ts';
export { regoBuiltinNames } from './rego-builtins.ts';
export { parseGroupExpression } from './admission/group/expression/parser.ts';
export { applyPolicyMode, type PolicyModeOptions } from './admission/mode.ts';
export { rejection } from './admission/rejection.ts';
