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

/** A message is for people: it does not go on for ever. */
const MAX_SHOWN = 20;

/** The settings do not fit the policy's schema; `message` names the problems, the first of them if there are many. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    const shown = problems.slice(0, MAX_SHOWN).map(({ path, message }) => `${path}: ${message}`);
    const more = problems.length - shown.length;
    super([...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; '));
    this.problems = problems;
  }
}
