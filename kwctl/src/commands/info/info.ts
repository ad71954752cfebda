import { regoBuiltinNames } from '@portcullis/evaluator';
import type { CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, configFolder, storeFolder, type CommandContext } from '../../environment.ts';
import { VERSION } from '../../version.ts';

/** `kwctl info`: what this program is and where it keeps its things. */
export async function info(given: CommandArguments, { environment }: CommandContext): Promise<void> {
  const facts = {
    version: VERSION,
    builtins: await regoBuiltinNames(),
    policyStore: storeFolder(environment),
    configDirectory: configFolder(environment),
    cacheDirectory: cacheFolder(environment),
  };
  environment.write(given.options.has('json') ? `${JSON.stringify(facts)}\n` : text(facts));
}

interface Facts {
  readonly version: string;
  readonly builtins: readonly string[];
  readonly policyStore: string;
  readonly configDirectory: string;
  readonly cacheDirectory: string;
}

/** The last line has always been four blanks. */
function text(facts: Facts): string {
  return `kwctl version: ${facts.version}

Open Policy Agent/Gatekeeper implemented builtins:
${facts.builtins.map((name) => `  - ${name}`).join('\n')}

Policy store: ${facts.policyStore}
Config directory: ${facts.configDirectory}
kwctl cache directory: ${facts.cacheDirectory}
    
`;
}
