import { messageOf, parseSettingsValidationResponse } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import type { MeasuredPolicy } from './measured-policy.ts';
import type { PlainAnswer } from './messages.ts';

/**
 * Asks the policy once: what would only fail a hundred thousand times is not measured.
 *
 * @param name - `<id> (<uri>)`, for error messages.
 * @throws KwctlError `settings-invalid` or `evaluation-failed`
 */
export async function requireUsable(policy: Pick<MeasuredPolicy, 'call'>, name: string): Promise<void> {
  const { valid, message = '' } = settingsVerdict(await policy.call('validate_settings'));
  if (!valid) {
    const where = `[Policy ${name}] - `;
    throw new KwctlError('settings-invalid', `${where}${where}provided settings are not valid: ${message}`);
  }
  const answer = await policy.call('validate');
  if (answer.kind === 'failure') {
    throw new KwctlError('evaluation-failed', `cannot measure ${name}: ${answer.message}`);
  }
}

function settingsVerdict(answer: PlainAnswer): { readonly valid: boolean; readonly message?: string | undefined } {
  if (answer.kind === 'failure') return { valid: false, message: answer.message };
  try {
    return parseSettingsValidationResponse(answer.bytes);
  } catch (error) {
    return { valid: false, message: `Cannot deserialize settings validation response: ${messageOf(error)}` };
  }
}
