/** The host refused or failed a call of `context.host`; `message` is the host's own text. */
export class HostCallError extends Error {
  override readonly name = 'HostCallError';
  /** For example `kubernetes/get_resource`. */
  readonly operation: string;

  constructor(operation: string, message: string) {
    super(message);
    this.operation = operation;
  }
}

/** The request is about a kind in which no Pod can be found. */
export class UnsupportedKindError extends Error {
  override readonly name = 'UnsupportedKindError';
}

/** One thing wrong with the settings: where, and what. Values are never repeated: settings may hold secrets. */
export interface SettingsProblem {
  /** For example `settings.allow[2]`. */
  readonly path: string;
  readonly message: string;
}

/** The settings do not fit the policy's schema; `message` names every problem. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
    this.problems = problems;
  }
}
