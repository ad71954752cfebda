import { tmpdir } from 'node:os';
import { REGO_RULE, opaProgram } from '../modules/rule-modules.ts';
import { freePort } from '@portcullis/testkit';
import { type ChildServer, startChildServer } from './child-server.ts';

/** Path of the rule in OPA's data API. */
export const OPA_RULE_PATH = '/v1/data/policy/main';
const READY_TIMEOUT_MS = 20_000;

export interface Opa extends ChildServer {
  readonly port: number;
}

/** `opa run --server` with the same rule, as quiet as our own server. */
export async function startOpa(): Promise<Opa> {
  const port = await freePort();
  const server = await startChildServer({
    program: await opaProgram(),
    args: ['run', '--server', '--addr', `127.0.0.1:${port}`, '--log-level', 'error', '--disable-telemetry', REGO_RULE],
    cwd: tmpdir(),
    readyUrl: `http://127.0.0.1:${port}/health`,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  return { ...server, port };
}
