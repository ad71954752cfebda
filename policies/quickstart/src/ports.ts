import { once } from 'node:events';
import { createServer } from 'node:net';

/** Why nothing can listen there, if so; asked before anything is built. */
export async function portProblem(address: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'EADDRINUSE' ? 'is in use - stop what listens there' : `cannot be used (${code ?? message})`;
  } finally {
    server.close();
  }
}
