export { loadConfig, logConfig, type ConfigOptions, type LogConfig, type ServerConfig } from './config/config.ts';
export { parseCommandLine, type Command, type Environment } from './config/command-line.ts';
export type { FlagName, FlagValues } from './config/flags.ts';
export { ServerError, type ServerErrorCode } from './errors.ts';
export { formatPolicyTable, type PolicyTableRow } from './policy-table.ts';
export { formatUrl, startServer, type ListenAddress, type RunningServer, type ServerParts } from './server.ts';
export { createLog, type Log, type LogEntry, type LogFields, type LogLevel, type LogOptions } from './telemetry/log.ts';
