import { messageOf } from '@portcullis/protocol';
// Entry of the thread that transpiles one component and ends. See transpile.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import type { TranspileReply } from './transpile.ts';
import { HOST_CALL, REQUIRED_EXPORTS } from './world.ts';

async function transpile(component: Uint8Array): Promise<TranspileReply> {
  try {
    const { files } = await transpileBytes(component, {
      name: 'policy',
      instantiation: 'sync',
      // Host calls suspend the guest through JavaScript Promise Integration, so that the thread is free meanwhile.
      asyncMode: 'jspi',
      asyncImports: [HOST_CALL],
      asyncExports: [...REQUIRED_EXPORTS],
      // An `err` result arrives as an error with a `payload`, and cannot be mistaken for a trap.
      noComponentErrorWrapping: false,
      base64Cutoff: 0,
      nodejsCompat: false,
    });
    return { files: new Map(Object.entries(files)) };
  } catch (error) {
    // jco's generator throws plain strings and objects as well as errors.
    return { problem: messageOf(error) };
  }
}

if (!(workerData instanceof Uint8Array)) throw new TypeError('workerData: expected the bytes of a component');
parentPort?.postMessage(await transpile(workerData));
