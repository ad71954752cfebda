import { type MessagePort, workerData } from 'node:worker_threads';
import { type RingMemory, SharedRing } from './ring.ts';

/** What an answer to a small admission request looks like. */
const ANSWER = { uid: '705ab4f5-6393-11e8-b7cc-42010a800002', allowed: true, auditAnnotations: null, warnings: null };

/** What a thread is told when it starts, unless it is piscina's. */
export interface ThreadData {
  readonly port: MessagePort;
  readonly workUs: number;
  /** Absent = messages come over the port. */
  readonly ring?: RingMemory;
}

/** The task of a piscina thread. */
export function run({ workUs }: { workUs: number }): unknown {
  work(workUs);
  return { kind: 'validated', response: ANSWER };
}

const data: ThreadData | null = workerData;
if (isThreadData(data)) await serve(data);

async function serve({ port, workUs, ring }: ThreadData): Promise<void> {
  port.on('message', ({ id }: { id: number }) => {
    work(workUs);
    port.postMessage({ kind: 'outcome', id, outcome: { kind: 'validated', response: ANSWER } });
  });
  if (ring === undefined) return;
  const requests = new SharedRing(ring);
  for (;;) {
    requests.take(() => work(workUs));
    await requests.wait();
  }
}

/** Stands for the evaluation: keeps a core busy for this long. */
function work(us: number): void {
  const end = process.hrtime.bigint() + BigInt(us * 1000);
  while (process.hrtime.bigint() < end);
}

/** piscina gives its threads data of its own. */
function isThreadData(value: unknown): value is ThreadData {
  return typeof value === 'object' && value !== null && 'port' in value && 'workUs' in value;
}
