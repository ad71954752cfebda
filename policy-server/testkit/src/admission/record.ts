import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type ApiServer, startApiServer } from '../api-server/api-server.ts';
import { createAuthority, createServerCertificate } from '../api-server/certificates.ts';
import { registerWebhook } from '../api-server/webhook.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { ADMISSION_FOLDER } from './admission-reviews.ts';

const ADMIN = '"username":"admin"';

interface Recorder {
  readonly url: string;
  readonly authority: { cert: string; key: string };
  /** Bodies the API server sent because of a call by the admin, oldest first; emptied by reading. */
  take(): Buffer[];
  close(): void;
}

/** A webhook that allows everything and keeps the bytes it was sent. */
async function startRecorder(): Promise<Recorder> {
  const authority = await createAuthority('recorder-ca');
  const bodies: Buffer[] = [];
  const server = createServer(await createServerCertificate(authority), (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (body.includes(ADMIN)) bodies.push(body);
      const uid = /"uid":"([^"]+)"/.exec(body.toString())?.[1];
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid, allowed: true },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}/`,
    authority,
    take: () => bodies.splice(0),
    close: () => void server.close(),
  };
}

async function play(api: ApiServer, recorder: Recorder, name: string, scenario: Scenario): Promise<void> {
  const answer = await api.call(scenario.method, scenario.path, scenario.body, scenario.contentType);
  const [body] = recorder.take();
  if (scenario.setup) return;
  if (body === undefined)
    throw new Error(`${name}: the API server asked no webhook; it answered ${answer.status} ${answer.body}`);
  await writeFile(join(ADMISSION_FOLDER, `${name}.json.gz`), gzipSync(body, { level: 9 }));
  process.stdout.write(`${name}: ${body.length} bytes\n`);
}

/** Records what a real API server sends for every scenario into the fixtures folder. */
async function record(): Promise<void> {
  await mkdir(ADMISSION_FOLDER, { recursive: true });
  const recorder = await startRecorder();
  const api = await startApiServer();
  try {
    const rules = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }];
    await registerWebhook(api, { kind: 'ValidatingWebhookConfiguration', name: 'recorder', ...recorder, rules });
    await sleep(1000);
    recorder.take();
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      await play(api, recorder, name, scenario);
      // A new kind is served a moment after its definition was accepted.
      if (name === 'crd-definition') await sleep(2000);
    }
  } finally {
    recorder.close();
    await api.close();
  }
}

await record();
