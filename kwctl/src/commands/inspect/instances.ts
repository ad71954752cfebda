import { createEvaluator, EvaluationError, formatInstanceReport } from '@portcullis/evaluator';
import type { ExecutionMode } from '@portcullis/protocol';

/** How a policy server brings evaluations of this module to their first state, as far as its bytes tell; nothing is run. */
export async function instancesOf(bytes: Uint8Array, mode: ExecutionMode, cacheDir: string): Promise<string> {
  const hostCalls = async (): Promise<never> => {
    throw new Error('a policy that is being inspected is not run');
  };
  await using evaluator = createEvaluator({ workers: 1, hostCalls, cacheDir });
  try {
    const { instances } = await evaluator.prepare(bytes, mode);
    return formatInstanceReport(instances);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return `none, the policy cannot be run: ${error.message}`;
  }
}
