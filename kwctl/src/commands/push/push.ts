import { isRegoModule } from '@portcullis/protocol';
import { parseRegistryLocation, pushPolicy, type LoadedModule } from '@portcullis/artifact';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { readLocalPolicy } from '../../local-policy.ts';
import { openRegistryAccess } from '../../options/source.ts';

/** `kwctl push`: puts a policy of this machine into a registry. */
export async function push(given: CommandArguments, context: CommandContext): Promise<void> {
  const [policy = '', target = ''] = given.positionals;
  const { reference } = parseRegistryLocation(target);
  const { module } = await readLocalPolicy(policy, context);
  if (module.metadata === undefined) allowUnannotated(module, given, context);
  await using access = await openRegistryAccess(given, context);
  const { bytes, metadata } = module;
  const { immutableReference } = await pushPolicy(access.client, { bytes, metadata, reference, log: context.log });
  // Scripts read this with `jq` or whole: no line feed at the end.
  const isJson = optionValue(given, 'output') === 'json';
  context.environment.write(
    isJson
      ? JSON.stringify({ immutable_ref: immutableReference })
      : `Policy successfully pushed: ${immutableReference}\n`,
  );
}

function allowUnannotated({ bytes }: LoadedModule, given: CommandArguments, { environment }: CommandContext): void {
  if (!isForced(given)) {
    throw new KwctlError(
      'metadata-invalid',
      'Cannot push a policy that is not annotated. Use `annotate` command or `push --force`',
    );
  }
  // Without metadata nobody could tell whether OPA or Gatekeeper is to run it.
  if (isRegoModule(bytes)) throw new KwctlError('metadata-invalid', 'Rego policies cannot be pushed without metadata');
  environment.writeError('Warning: pushing a non-annotated policy!\n');
}

/** `--force`, and `--force=true`, which was the only way to write it. */
function isForced(given: CommandArguments): boolean {
  return given.options.has('force') && optionValue(given, 'force') !== 'false';
}
