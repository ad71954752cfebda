import { systemErrorText } from '@portcullis/artifact';
import { commandsBelow, optionValue, type CommandArguments } from '../../command-line/command.ts';
import { KwctlError } from '../../errors.ts';
import { writeWholeFile } from '../../file.ts';
import { KWCTL } from '../table.ts';
import { asciidocReference } from './asciidoc.ts';
import { markdownReference } from './markdown.ts';

/** `kwctl docs`: writes the reference of the command line, made from the table that reads it. */
export async function docs(given: CommandArguments): Promise<void> {
  const path = optionValue(given, 'output') ?? '';
  const commands = await commandsBelow(KWCTL);
  const text = path.endsWith('.md') ? markdownReference(commands) : asciidocReference(commands);
  try {
    await writeWholeFile(path, text);
  } catch (error) {
    throw new KwctlError('file-unusable', `cannot create file ${path}: ${systemErrorText(error)}`, { cause: error });
  }
}
