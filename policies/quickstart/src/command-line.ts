import { parseArgs } from 'node:util';

/** What whoever typed `pnpm start` can put right. */
export class QuickstartError extends Error {
  override readonly name = 'QuickstartError';
}

export interface Ports {
  readonly port: number;
  readonly readinessPort: number;
}

/** @throws QuickstartError */
export function parseCommandLine(args: readonly string[]): Ports {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', default: '3000' },
        'readiness-probe-port': { type: 'string', default: '8081' },
      },
    });
    return { port: portOf(values.port), readinessPort: portOf(values['readiness-probe-port']) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new QuickstartError(`${problem}\nUsage: pnpm start [--port <port>] [--readiness-probe-port <port>]`);
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new QuickstartError(`expected a port from 1 to 65535, got ${text}`);
}
