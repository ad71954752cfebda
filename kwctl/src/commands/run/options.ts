import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { DEFAULT_TIMEOUT_SECONDS } from '../../options/evaluation-options.ts';

/** The command line of `run` and of `bench`, read. */
export interface RunOptions {
  readonly policy: string;
  readonly requestPath: string;
  readonly settingsPath: string | undefined;
  readonly settingsJson: string | undefined;
  readonly executionMode: string | undefined;
  readonly isRaw: boolean;
  readonly allowContextAware: boolean;
  readonly keepsNothingOnDisk: boolean;
  readonly recordPath: string | undefined;
  readonly replayPath: string | undefined;
  readonly hostCapabilities: readonly string[];
  /** `undefined` = for ever. */
  readonly timeoutMs: number | undefined;
}

export function runOptions(given: CommandArguments): RunOptions {
  const { options, positionals } = given;
  const timeoutMs = Number(optionValue(given, 'timeout') ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
  return {
    policy: positionals[0] ?? '',
    requestPath: optionValue(given, 'request-path') ?? '',
    settingsPath: optionValue(given, 'settings-path'),
    settingsJson: optionValue(given, 'settings-json'),
    executionMode: optionValue(given, 'execution-mode'),
    isRaw: options.has('raw'),
    allowContextAware: options.has('allow-context-aware'),
    keepsNothingOnDisk: options.has('disable-wasmtime-cache'),
    recordPath: optionValue(given, 'record-host-capabilities-interactions'),
    replayPath: optionValue(given, 'replay-host-capabilities-interactions'),
    hostCapabilities: options.get('allowed-host-capabilities') ?? ['*'],
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
  };
}
