import type { ArtifactLogRecord } from '../../log.ts';
import type { CredentialSource } from '../credentials.ts';
import { createDockerCredentials, type DockerCredentialsOptions } from '../docker-config.ts';
import type { HelperOutcome } from '../helper.ts';

export const NOT_FOUND: HelperOutcome = { exitCode: 1, stdout: 'credentials not found in native keychain\n' };

export interface Setup {
  readonly source: CredentialSource;
  readonly log: ArtifactLogRecord[];
  /** `program server-address`, in the order of the questions. */
  readonly asked: string[];
}

export function setUp(
  config: unknown,
  helper: (question: string) => HelperOutcome | Promise<HelperOutcome> = () => NOT_FOUND,
  options: Partial<DockerCredentialsOptions> = {},
): Setup {
  const log: ArtifactLogRecord[] = [];
  const asked: string[] = [];
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const source = createDockerCredentials({
    folder: '/docker',
    log: (record) => log.push(record),
    readFile: () => Promise.resolve(new TextEncoder().encode(text)),
    runHelper: async (program, serverAddress) => {
      asked.push(`${program} ${serverAddress}`);
      return helper(`${program} ${serverAddress}`);
    },
    ...options,
  });
  return { source, log, asked };
}

export function answer(username: string, secret: string): HelperOutcome {
  return { exitCode: 0, stdout: JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret }) };
}
