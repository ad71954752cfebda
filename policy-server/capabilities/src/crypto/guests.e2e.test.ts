import { admissionReview, guestModule, startPolicyServer, type GuestName } from '@portcullis/testkit';
import { test } from 'tap';
import { end, mid, root, UNTRUSTED } from './test/asking.ts';

const GUESTS: readonly GuestName[] = ['wapc-rust', 'wapc-assemblyscript', 'wasi-go'];

const encoded = ({ der }: { readonly der: Uint8Array }): object => ({ encoding: 'Der', data: [...der] });
const encodedText = (text: string): object => ({ encoding: 'Pem', data: [...Buffer.from(text)] });

/** What policies ask, and what they are told. */
const QUESTIONS = {
  trusted: [
    { cert: encodedText(end.pem), cert_chain: [mid, root].map(encoded), not_after: '2030-06-02T00:00:00Z' },
    '{"trusted":true,"reason":""}',
  ],
  expired: [
    { cert: encoded(end), cert_chain: [mid, root].map(encoded), not_after: '2040-01-01T00:00:00Z' },
    '{"trusted":false,"reason":"Certificate is being used after its expiration date"}',
  ],
  unknown: [
    { cert: encoded(end), cert_chain: null, not_after: '2030-06-02T00:00:00Z' },
    `{"trusted":false,"reason":"${UNTRUSTED}"}`,
  ],
  garbage: [
    { cert: encodedText('garbage'), not_after: '' },
    'Callback evaluation failure: Certificate PEM data is not valid: no items found',
  ],
} as const;
const DENIED =
  "Policy has not been granted access to the 'crypto/v1/is_certificate_trusted' host capability. The violation has been reported.";

test('policies of every language learn whether a certificate is trusted, when they may ask', async (t) => {
  const modules = Object.fromEntries(await Promise.all(GUESTS.map(async (name) => [name, await guestModule(name)])));
  const policy = (module: string, question: object, hostCapabilities: readonly string[]): Record<string, unknown> => ({
    module,
    hostCapabilities,
    settings: {
      behaviour: 'host-call',
      namespace: 'crypto',
      operation: 'v1/is_certificate_trusted',
      payload: JSON.stringify(question),
    },
  });
  const policies = GUESTS.flatMap((guest) => [
    ...Object.entries(QUESTIONS).map(
      ([name, [question]]) => [`${guest}-${name}`, policy(guest, question, ['crypto/*'])] as const,
    ),
    [`${guest}-denied`, policy(guest, QUESTIONS.trusted[0], ['oci/*', 'net/*'])] as const,
  ]);
  const review = await admissionReview('pod-create');
  const server = await startPolicyServer({ policies: Object.fromEntries(policies), modules });
  t.teardown(() => server.stop());
  const told = async (name: string): Promise<string> => {
    const { text } = await server.post(`/validate/${name}`, review);
    return JSON.parse(text).response.status.message;
  };
  for (const guest of GUESTS) {
    for (const [name, [, answer]] of Object.entries(QUESTIONS))
      t.ok((await told(`${guest}-${name}`)).endsWith(answer), `${guest} ${name}: ${await told(`${guest}-${name}`)}`);
    t.ok((await told(`${guest}-denied`)).endsWith(DENIED), `${guest} denied`);
  }
});
