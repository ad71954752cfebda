import { createEvaluator, EvaluationError } from '@portcullis/evaluator';
import { KwctlError } from '../../errors.ts';

/**
 * Runs a waPC policy far enough to ask which protocol it speaks. The evaluator bounds its time and memory.
 *
 * @throws KwctlError `metadata-invalid`
 */
export async function detectProtocolVersion(bytes: Uint8Array): Promise<'v1'> {
  const hostCalls = async (): Promise<never> => {
    throw new Error('a policy that is being annotated has no host to ask');
  };
  await using evaluator = createEvaluator({ workers: 1, instances: 'fresh', hostCalls });
  try {
    return await evaluator.protocolVersion(await evaluator.prepare(bytes, 'kubewarden-wapc'));
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const message = `Error while detecting Kubewarden protocol version: ${error.message}`;
    throw new KwctlError('metadata-invalid', message, { cause: error });
  }
}
