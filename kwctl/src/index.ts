export { runCli } from './cli.ts';
export { KwctlError, type KwctlErrorCode } from './errors.ts';
export type { Environment, Terminal } from './environment.ts';
