import { optionValue, type CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';
import { lookUpResource } from '../../../kubernetes/resource-lookup.ts';
import { createRequest } from './create-request.ts';
import { readKubernetesObject } from './kubernetes-object.ts';
import { prettyJson } from './pretty-json.ts';

/** `kwctl scaffold admission-request`: the request an API server would send when an object is created. */
export async function scaffoldAdmissionRequest(given: CommandArguments, context: CommandContext): Promise<void> {
  const path = optionValue(given, 'object');
  if (path === undefined) throw new KwctlError('request-invalid', 'CREATE operation requires an object');
  if (given.options.has('old-object')) {
    throw new KwctlError('request-invalid', 'CREATE operation does not require an old_object');
  }
  const object = await readKubernetesObject(path);
  const scope = await lookUpResource(object.kind, context);
  context.environment.write(`${prettyJson(createRequest(object, scope))}\n`);
}
