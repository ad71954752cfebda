import { verificationConfigYaml, type VerificationConfig } from '@portcullis/artifact';
import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { verificationConfigPath } from '../../../options/verification.ts';

const KUBEWARDEN: VerificationConfig = {
  allOf: [{ kind: 'githubAction', owner: 'kubewarden', repo: undefined, annotations: undefined }],
  anyOf: undefined,
};

/** `kwctl scaffold verification-config`: a config to begin with, and where it belongs. */
export async function scaffoldVerificationConfig(_given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment } = context;
  environment.write(`${introduction(verificationConfigPath(environment))}${verificationConfigYaml(KUBEWARDEN)}\n`);
}

function introduction(path: string): string {
  return `# Default Kubewarden verification config
#
# With this config, the only valid policies are those signed by Kubewarden
# infrastructure.
#
# This config can be saved to its default location (for this OS) with:
#   kwctl scaffold verification-config > ${path}
#
# Providing a config in the default location enables Sigstore verification.
# See https://docs.kubewarden.io for more Sigstore verification options.
#
`;
}
