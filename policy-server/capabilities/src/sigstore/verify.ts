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
  const verify = (request: VerifyV2Request, context: RequestContext): Promise<JsonValue> =>
    verifyImage(request, context, options);
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
