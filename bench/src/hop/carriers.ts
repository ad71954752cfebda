import { MessageChannel, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { SharedRing } from './ring.ts';
import type { ThreadData } from './worker.ts';

const WORKER = new URL('./worker.ts', import.meta.url);

/** A way from the main thread to worker threads and back. */
export interface Carrier extends AsyncDisposable {
  /** One request there, and its answer back. */
  carry(request: Uint8Array): Promise<unknown>;
}

export interface CarrierOptions {
  readonly threads: number;
  readonly workUs: number;
}

/** As the tasks of piscina. */
export function piscinaTasks({ threads, workUs }: CarrierOptions): Carrier {
  const pool = new Piscina({ filename: WORKER.href, name: 'run', minThreads: threads, maxThreads: threads });
  return {
    carry: (request) => pool.run({ ...envelope(request), workUs }),
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

/** As messages over a channel for each thread: what the server does. */
export function channels(options: CarrierOptions): Carrier {
  return acrossThreads(options, () => {
    const answers = new Map<number, () => void>();
    let lastId = 0;
    return {
      data: {},
      listen: ({ id }) => {
        answers.get(id)?.();
        answers.delete(id);
      },
      send: (request, port, done) => {
        const id = ++lastId;
        answers.set(id, done);
        port.postMessage({ ...envelope(request), id });
      },
    };
  });
}

/** As bytes in shared memory, with a wake-up where nobody is awake. */
export function sharedRings(options: CarrierOptions): Carrier {
  return acrossThreads(options, () => {
    const ring = new SharedRing();
    const answers: (() => void)[] = [];
    let seen = 0;
    const settle = (): void => {
      for (const { done } = ring; seen !== done; seen++) answers.shift()?.();
    };
    void (async () => {
      for (;;) {
        settle();
        await ring.answered(seen);
      }
    })();
    return {
      data: { ring: ring.memory },
      listen: () => undefined,
      send: (request, _port, done) => {
        answers.push(done);
        ring.put(request);
      },
    };
  });
}

interface Lane {
  readonly data: Pick<ThreadData, 'ring'>;
  listen(message: { readonly id: number }): void;
  send(request: Uint8Array, port: MessageChannel['port1'], done: () => void): void;
}

/** Each request goes to the thread that has the least to do. */
function acrossThreads({ threads, workUs }: CarrierOptions, open: () => Lane): Carrier {
  const lanes = Array.from({ length: threads }, () => {
    const lane = open();
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadData = { port: port2, workUs, ...lane.data };
    const worker = new Worker(WORKER, { workerData, transferList: [port2] });
    port1.on('message', (message: { id: number }) => lane.listen(message));
    return { lane, port: port1, worker, underWay: 0 };
  });
  return {
    carry: (request) =>
      new Promise<void>((resolve) => {
        const least = lanes.reduce((best, each) => (each.underWay < best.underWay ? each : best));
        least.underWay++;
        least.lane.send(request, least.port, () => {
          least.underWay--;
          resolve();
        });
      }),
    [Symbol.asyncDispose]: async () => {
      for (const { port } of lanes) port.close();
      await Promise.all(lanes.map(({ worker }) => worker.terminate()));
    },
  };
}

/** An evaluation as it is posted to a thread. */
function envelope(request: Uint8Array): object {
  return {
    kind: 'evaluate',
    evaluationId: 1,
    seat: 1,
    moduleKey: `kubewarden-wapc:${'0'.repeat(64)}`,
    mode: 'kubewarden-wapc',
    compiled: undefined,
    operation: 'validate',
    input: { kind: 'kubernetes', request, settings: new Uint8Array(2) },
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
  };
}
