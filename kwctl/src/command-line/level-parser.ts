import {
  allOptions,
  commandName,
  HELP_OPTION,
  isValued,
  optionText,
  positionalText,
  takesNext,
  VERSION_OPTION,
} from './command.ts';
import type { CommandArguments, CommandSpec, OptionSpec } from './command.ts';
import type { CommandLine } from './parser.ts';
import { similarTo } from './similarity.ts';
import { requiredIds } from './usage.ts';
import * as usage from './usage-error.ts';

/** An option that waits for its values: it counts as given once something else comes. */
interface Pending {
  readonly option: OptionSpec;
  readonly values: string[];
  isFull: boolean;
}

/** A flag that may have a value, without one; the word right after it may have been meant. */
interface Valueless {
  readonly option: OptionSpec;
  /** Index of the argument after the flag. */
  readonly next: number;
  /** Which positional that became. */
  word: number | undefined;
}

/** Reads the arguments of one command; for a command with subcommands, up to the name of the subcommand. */
export class LevelParser {
  readonly #command: CommandSpec;
  readonly #args: readonly string[];
  readonly #named: readonly CommandSpec[];
  readonly #options: readonly OptionSpec[];
  readonly #given = new Map<string, string[]>();
  readonly #positionals: string[] = [];
  #pending: Pending | undefined;
  #valueless: Valueless | undefined;
  #trailing = false;
  /** Index of the argument being read. */
  position = 0;

  /** @param named - the subcommands whose names are among the arguments. */
  constructor(command: CommandSpec, args: readonly string[], named: readonly CommandSpec[]) {
    this.#command = command;
    this.#args = args;
    this.#named = named;
    this.#options = allOptions(command);
  }

  given(): CommandArguments {
    return { options: this.#given, positionals: this.#positionals };
  }

  /** Answers help and version at once; `undefined` when the arguments are complete. */
  run(): CommandLine | undefined {
    for (; this.position < this.#args.length; this.position++) {
      const arg = this.#args[this.position] ?? '';
      if (!this.#trailing && this.#command.subcommands !== undefined && !arg.startsWith('-')) break;
      const outcome = this.#read(arg);
      if (outcome !== undefined) return outcome;
    }
    this.#settle();
    this.#refuseConflicts();
    if (this.#command.subcommands === undefined) this.#refuseMissing();
    return undefined;
  }

  #read(arg: string): CommandLine | undefined {
    if (this.#trailing) return this.#readPositional(arg);
    if (arg === '--') {
      this.#trailing = true;
      return undefined;
    }
    if (arg.startsWith('--')) return this.#readLong(arg.slice(2));
    if (arg.startsWith('-') && arg !== '-') return this.#readShorts(arg.slice(1));
    if (this.#pending !== undefined && !this.#pending.isFull) {
      this.#pending.values.push(arg);
      this.#pending.isFull = this.#pending.option.takes !== 'many';
      return undefined;
    }
    return this.#readPositional(arg);
  }

  #readLong(text: string): CommandLine | undefined {
    const equals = text.indexOf('=');
    const name = equals === -1 ? text : text.slice(0, equals);
    const option = this.#options.find((candidate) => candidate.id === name);
    if (option === undefined) throw this.#unknownLong(name);
    return this.#accept(option, { attached: equals === -1 ? undefined : text.slice(equals + 1), isLong: true });
  }

  #readShorts(letters: string): CommandLine | undefined {
    for (const [index, letter] of Array.from(letters).entries()) {
      const option = this.#options.find((candidate) => candidate.short === letter);
      if (option === undefined) throw this.#unknownShort(letter);
      const rest = Array.from(letters)
        .slice(index + 1)
        .join('');
      const takesRest = takesNext(option) || rest.startsWith('=') || (isValued(option) && !this.#isShort(rest[0]));
      const attached = takesRest && rest !== '' ? rest.replace(/^=/, '') : undefined;
      const outcome = this.#accept(option, { attached, isLong: false });
      if (outcome !== undefined || takesRest) return outcome;
    }
    return undefined;
  }

  #isShort(letter: string | undefined): boolean {
    return letter === undefined || this.#options.some(({ short }) => short === letter);
  }

  #accept(option: OptionSpec, how: { attached: string | undefined; isLong: boolean }): CommandLine | undefined {
    if (option.valueName === undefined) {
      if (how.attached !== undefined) {
        this.#trySettle();
        throw usage.unexpectedValue(this.#command, { option, value: how.attached }, this.#usedIfAny());
      }
      this.#settle();
      if (option === HELP_OPTION) return { kind: 'help', command: this.#command, long: how.isLong };
      if (option === VERSION_OPTION) return { kind: 'version', long: how.isLong };
      this.#record(option, []);
      return undefined;
    }
    this.#settle();
    if (how.attached !== undefined) this.#record(option, [how.attached]);
    else if (takesNext(option)) this.#pending = { option, values: [], isFull: false };
    else {
      this.#record(option, []);
      this.#valueless = { option, next: this.position + 1, word: undefined };
    }
    return undefined;
  }

  #readPositional(arg: string): undefined {
    this.#settle();
    const { positionals } = this.#command;
    const isOpenEnded = positionals.at(-1)?.repeatable === true;
    if (this.#valueless?.next === this.position) this.#valueless.word = this.#positionals.length;
    this.#positionals.push(arg);
    if (this.#positionals.length <= positionals.length || isOpenEnded || this.#reclaim()) return undefined;
    throw usage.unexpectedArgument(this.#command, { text: arg, tips: [] });
  }

  /** One word too many: scripts that were written for Kubewarden's kwctl have to say `--force yes`. */
  #reclaim(): boolean {
    const { option, word } = this.#valueless ?? {};
    if (option === undefined || word === undefined) return false;
    this.#given.set(option.id, this.#positionals.splice(word, 1));
    this.#valueless = undefined;
    return true;
  }

  /** Counts the waiting option as given. */
  #settle(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    if (pending.values.length === 0 && pending.option.takes !== 'many') throw usage.valueRequired(pending.option);
    this.#record(pending.option, pending.values);
  }

  /** The same where another error is about to be reported anyway. */
  #trySettle(): void {
    try {
      this.#settle();
    } catch (error) {
      if (!(error instanceof usage.UsageError)) throw error;
    }
  }

  #record(option: OptionSpec, values: readonly string[]): void {
    const earlier = this.#given.get(option.id);
    if (earlier !== undefined && option.repeatable !== true) throw usage.usedTwice(this.#command, option);
    for (const value of values) {
      const problem = option.check?.(value);
      if (problem !== undefined) throw usage.unreadableValue(option, value, problem);
      if (option.values !== undefined && !option.values.includes(value)) {
        throw usage.invalidValue(option, value, similarTo(value, option.values).at(-1));
      }
    }
    if (earlier === undefined) this.#given.set(option.id, [...values]);
    else earlier.push(...values);
  }

  #used(): string[] {
    return Array.from(this.#given.keys());
  }

  /** Usage lines say `[OPTIONS]` as long as nothing was given. */
  #usedIfAny(): string[] | undefined {
    return this.#given.size === 0 ? undefined : this.#used();
  }

  #unknownLong(name: string): usage.UsageError {
    this.#trySettle();
    const own = similarTo(
      name,
      this.#options.map((option) => option.id),
    ).at(-1);
    if (own !== undefined) {
      const used = this.#options.some((option) => option.id === own) ? [...this.#used(), own] : this.#used();
      return usage.unexpectedArgument(
        this.#command,
        { text: `--${name}`, tips: [usage.similarTip('argument', [`--${own}`])] },
        used,
      );
    }
    const tips = [...this.#tipOfSubcommand(name), ...this.#trailingTip(`--${name}`)];
    return usage.unexpectedArgument(this.#command, { text: `--${name}`, tips }, this.#usedIfAny());
  }

  #unknownShort(letter: string): usage.UsageError {
    const text = `-${letter}`;
    return usage.unexpectedArgument(this.#command, { text, tips: this.#trailingTip(text) });
  }

  #trailingTip(text: string): string[] {
    return this.#command.positionals.length === 0 ? [] : [`to pass '${text}' as a value, use '-- ${text}'`];
  }

  /** `kwctl --raw run …`: the option belongs after the subcommand. */
  #tipOfSubcommand(name: string): string[] {
    const rest = this.#args.slice(this.position + 1);
    for (const word of rest) {
      const command = this.#named.find((candidate) => commandName(candidate) === word);
      const option = similarTo(name, command?.options.map(({ id }) => id) ?? []).at(-1);
      if (command !== undefined && option !== undefined) return [`'${commandName(command)} --${option}' exists`];
    }
    return [];
  }

  #refuseConflicts(): void {
    for (const id of this.#given.keys()) {
      const option = this.#options.find((candidate) => candidate.id === id);
      const other = this.#options.find((candidate) => this.#given.has(candidate.id) && conflicts(option, candidate));
      if (option !== undefined && other !== undefined) {
        const used = this.#used().filter((candidate) => candidate !== other.id);
        throw usage.conflict(this.#command, { option, other }, used);
      }
    }
  }

  #refuseMissing(): void {
    const missingOptions = requiredIds(this.#command).filter((id) => !this.#given.has(id));
    const missingPositionals = this.#command.positionals.slice(this.#positionals.length);
    if (missingOptions.length === 0 && missingPositionals.length === 0) return;
    const missing = [
      ...this.#options.filter(({ id }) => missingOptions.includes(id)).map(optionText),
      ...missingPositionals.map(positionalText),
    ];
    throw usage.missingArguments(this.#command, missing, this.#used());
  }
}

function conflicts(option: OptionSpec | undefined, other: OptionSpec): boolean {
  if (option === undefined || option === other) return false;
  return option.conflictsWith?.includes(other.id) === true || other.conflictsWith?.includes(option.id) === true;
}
