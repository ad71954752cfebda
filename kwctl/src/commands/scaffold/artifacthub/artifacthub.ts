import { stat } from 'node:fs/promises';
import { stringifyYaml, systemErrorText } from '@portcullis/artifact';
import { optionValue, type CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';
import { writeWholeFile } from '../../../file.ts';
import { readTextFile } from '../../../text-file.ts';
import { readMetadataFile } from '../../annotate/metadata-file.ts';
import { packageDescription } from './package-description.ts';

const METADATA_FILES = ['metadata.yml', 'metadata.yaml'];
const QUESTIONS_FILES = ['questions-ui.yml', 'questions-ui.yaml', 'questions.yml', 'questions.yaml'];
const MAX_QUESTIONS_BYTES = 4 * 2 ** 20;

const HEADER = `# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   kwctl scaffold artifacthub > artifacthub-pkg.yml
`;

/** `kwctl scaffold artifacthub`: describes a policy for Artifact Hub. */
export async function scaffoldArtifacthub(given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment, log } = context;
  if (given.options.has('version')) {
    const message =
      'the --version flag is deprecated and ignored: the version is the annotation io.kubewarden.policy.version';
    log({ level: 'warn', target: 'kwctl::scaffold', message });
  }
  const metadata = await readMetadataFile(await metadataPath(given));
  const questions = await readQuestions(optionValue(given, 'questions-path') ?? (await firstOf(QUESTIONS_FILES)));
  const description = packageDescription(metadata, { createdAt: environment.now(), questions });
  const text = HEADER + stringifyYaml(description);
  const path = optionValue(given, 'output');
  if (path === undefined) environment.write(`${text}\n`);
  else await writeText(path, text);
}

async function metadataPath(given: CommandArguments): Promise<string> {
  const path = optionValue(given, 'metadata-path') ?? (await firstOf(METADATA_FILES));
  if (path !== undefined) return path;
  throw new KwctlError('file-unusable', "path to metadata file not provided, plus 'metadata.yml' not found");
}

/** The first file that is there. */
async function firstOf(names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const found = await stat(name).catch(() => undefined);
    if (found !== undefined) return name;
  }
  return undefined;
}

async function readQuestions(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const describe = (reason: string): string => `Error reading questions file: ${reason} ('${path}')`;
  return readTextFile(path, { maxBytes: MAX_QUESTIONS_BYTES, code: 'file-unusable', describe });
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeWholeFile(path, text);
  } catch (error) {
    throw new KwctlError('file-unusable', `cannot write '${path}': ${systemErrorText(error)}`, { cause: error });
  }
}
