import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ProgrammableRegistry, type ProgrammableRegistryOptions } from '@portcullis/testkit';
import type { Test } from 'tap';

export async function serveRegistry(t: Test, options?: ProgrammableRegistryOptions): Promise<ProgrammableRegistry> {
  const registry = await ProgrammableRegistry.start(options);
  t.teardown(() => registry[Symbol.asyncDispose]());
  return registry;
}

/** Host and port of a server that ends with the test, and its connections with it. */
export async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A body that waits between its pieces, in milliseconds. */
export async function* pieces(parts: readonly (Uint8Array | number)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (typeof part === 'number') await new Promise((resolve) => setTimeout(resolve, part).unref());
    else yield part;
  }
}
