import { type KeyPair } from './certificates.ts';
import type { ApiServer } from './api-server.ts';

export interface WebhookOptions {
  readonly kind: 'ValidatingWebhookConfiguration' | 'MutatingWebhookConfiguration';
  readonly name: string;
  /** `https://127.0.0.1:PORT/path`. */
  readonly url: string;
  readonly authority: KeyPair;
  readonly rules: readonly { operations: string[]; apiGroups: string[]; apiVersions: string[]; resources: string[] }[];
  readonly failurePolicy?: 'Fail' | 'Ignore';
  readonly timeoutSeconds?: number;
}

/** Registers a webhook with the API server, the way the controller does it. */
export async function registerWebhook(api: ApiServer, options: WebhookOptions): Promise<void> {
  const webhook = {
    name: `${options.name}.portcullis.test`,
    clientConfig: { url: options.url, caBundle: Buffer.from(options.authority.cert).toString('base64') },
    rules: options.rules,
    failurePolicy: options.failurePolicy ?? 'Fail',
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: options.timeoutSeconds ?? 10,
  };
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: options.kind,
    metadata: { name: options.name },
    webhooks: [webhook],
  };
  const plural =
    options.kind === 'ValidatingWebhookConfiguration'
      ? 'validatingwebhookconfigurations'
      : 'mutatingwebhookconfigurations';
  const answer = await api.call('POST', `/apis/admissionregistration.k8s.io/v1/${plural}`, JSON.stringify(body));
  if (answer.status !== 201) throw new Error(`the webhook was not registered: ${answer.status} ${answer.body}`);
}
