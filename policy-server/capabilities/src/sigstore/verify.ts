import {
  createPolicyVerifier,
  type ArtifactLog,
  type RegistryReader,
  type TrustRootSource,
} from '@portcullis/artifact';
import { jsonFrom, type JsonValue, type VerifyV2Request } from '@portcullis/protocol';
import type { CapabilityHandlers, RequestContext } from '../backend.ts';
import { registryBudget, withinBudget } from '../oci/budget.ts';
import { imageReference } from '../oci/images.ts';
import { requirementsOf } from './requirements.ts';

type VerifyHandlers = Required<Pick<CapabilityHandlers, VerifyV2Request['type']>>;

export interface VerifyOptions {
  readonly registry: RegistryReader;
  readonly trustRoot: TrustRootSource;
  readonly log: ArtifactLog;
  readonly now: () => Date;
}

/**
 * Handles `oci/v1/verify` and `oci/v2/verify`. An image whose signatures are not the ones that were asked for is an error of the
 * call, never `is_trusted: false`: a policy that forgets to look at the answer must not let it pass.
 */
export function createVerifyHandlers(options: VerifyOptions): VerifyHandlers {
  const told = { ...options, log: warnOnce(options.log) };
  const verify = (request: VerifyV2Request, context: RequestContext): Promise<JsonValue> =>
    verifyImage(request, context, told);
  return {
    SigstorePubKeyVerify: verify,
    SigstoreKeylessVerify: verify,
    SigstoreKeylessPrefixVerify: verify,
    SigstoreGithubActionsVerify: verify,
    SigstoreCertificateVerify: verify,
  };
}

async function verifyImage(
  request: VerifyV2Request,
  context: RequestContext,
  { registry: client, trustRoot, log, now }: VerifyOptions,
): Promise<JsonValue> {
  const config = { allOf: requirementsOf(request), anyOf: undefined };
  const reference = imageReference(request.image);
  const verifier = createPolicyVerifier({ client, config, trustRoot, log, now });
  const signal = registryBudget(context);
  const { digest } = await withinBudget(request.image, signal, () => verifier.verify(reference, { signal }));
  return jsonFrom({ is_trusted: true, digest });
}

const MAX_WARNINGS = 100;

/** A verifier warns once of what is wrong for all images. Each question has a verifier of its own, and guests ask many. */
function warnOnce(log: ArtifactLog): ArtifactLog {
  const said = new Set<string>();
  return (record) => {
    if (record.level === 'warn' && said.has(record.message)) return;
    if (record.level === 'warn' && said.size < MAX_WARNINGS) said.add(record.message);
    log(record);
  };
}
