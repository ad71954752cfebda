import {
  createCapabilities,
  createCertificateHandler,
  createDnsHandler,
  debugRequest,
  formatSession,
  parseSession,
  RecordSession,
  type CapabilityHandlers,
  type CapabilitySession,
  type Exchange,
  type HostCalls,
  type PolicyLogEvent,
} from '@portcullis/capabilities';
import { onEvaluatorEvent } from '@portcullis/evaluator';
import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import type { Log } from '../../output/log.ts';
import { systemErrorText } from '@portcullis/artifact';
import { writeWholeFile } from '../../file.ts';
import { readText } from './input.ts';
import { Playback } from './playback.ts';
import type { RegistryHandlers } from './registry-handlers.ts';

interface HostOptions {
  readonly recordPath: string | undefined;
  readonly replayPath: string | undefined;
  readonly log: Log;
  /** Opens what reaches registries, when the first policy asks about an image. */
  readonly openRegistries: () => Promise<RegistryHandlers>;
}

/** What policies find when they ask their host: the outside world, or a recorded session in its place. */
export class PolicyHost {
  readonly #log: Log;
  readonly #recordPath: string | undefined;
  readonly #recording = new RecordSession();
  readonly #recorded: readonly Exchange[] | undefined;
  readonly #guestLogs: Disposable;
  readonly #openRegistries: () => Promise<RegistryHandlers>;
  #registries: Promise<RegistryHandlers> | undefined;
  #handlers: CapabilityHandlers = {
    DNSLookupHost: createDnsHandler(),
    CryptoIsCertificateTrusted: createCertificateHandler(),
  };
  #replay: Playback | undefined;
  #calls: HostCalls;

  private constructor(options: HostOptions, recorded: readonly Exchange[] | undefined) {
    this.#log = options.log;
    this.#recordPath = options.recordPath;
    this.#recorded = recorded;
    this.#openRegistries = options.openRegistries;
    this.#calls = this.#createCalls();
    this.#guestLogs = onEvaluatorEvent('guest-logged', ({ level, message, policyId }) =>
      this.#log({ level, target: 'policy_log', message: message.trimEnd(), policyId }),
    );
  }

  /** @throws KwctlError or CapabilityError when the session to replay cannot be used: before any policy runs */
  static async open(options: HostOptions): Promise<PolicyHost> {
    const { replayPath } = options;
    if (replayPath === undefined) return new PolicyHost(options, undefined);
    const text = await readText(replayPath, (reason) => `cannot use the recorded session ${replayPath}: ${reason}`);
    const host = new PolicyHost(options, parseSession(text, replayPath));
    options.log({
      level: 'info',
      target: TARGET,
      message: 'host capabilities proxy enabled with replay mode',
      fields: { session_file: JSON.stringify(replayPath) },
    });
    return host;
  }

  readonly hostCalls: HostCalls = async (call, context) => {
    if (call.namespace === 'oci') await this.#reachRegistries();
    return this.#calls(call, context);
  };

  /** The first policy begins, or one that is to know nothing of those before. */
  begin(): void {
    if (this.#recorded !== undefined) this.#replay = new Playback(this.#recorded);
    this.#calls = this.#createCalls();
  }

  /** A policy is done: what was recorded up to here is saved. Another one may follow. */
  async next(): Promise<void> {
    this.#replay?.next();
    if (this.#recordPath !== undefined) await this.#save(this.#recordPath);
  }

  /** All policies are done: what none of them asked for is told. */
  tellUnplayed(): void {
    const unplayed = this.#replay?.unplayed ?? [];
    if (unplayed.length === 0) return;
    const exchanges = `[${unplayed.map(({ request }) => debugRequest(request)).join(', ')}]`;
    const message = 'Some of the recorded exchanges have not been replayed';
    this.#log({ level: 'warn', target: TARGET, message, fields: { exchanges } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#guestLogs[Symbol.dispose]();
    const [opened] = await Promise.allSettled([this.#registries]);
    if (opened.status === 'fulfilled') await opened.value?.[Symbol.asyncDispose]();
  }

  /** A recorded session asks nobody. */
  async #reachRegistries(): Promise<void> {
    if (this.#recorded !== undefined || this.#registries !== undefined) return void (await this.#registries);
    this.#registries = this.#openRegistries();
    const { handlers } = await this.#registries;
    this.#handlers = { ...this.#handlers, ...handlers };
    this.#calls = this.#createCalls();
  }

  async #save(path: string): Promise<void> {
    const fields = { destination: JSON.stringify(path) };
    try {
      await writeWholeFile(path, formatSession(this.#recording.exchanges));
      this.#log({ level: 'info', target: TARGET, message: 'Context aware session saved to file', fields });
    } catch (error) {
      const message = `Cannot save context aware session to file: ${systemErrorText(error)}`;
      this.#log({ level: 'error', target: TARGET, message, fields });
    }
  }

  #createCalls(): HostCalls {
    const session: CapabilitySession | undefined =
      this.#replay ?? (this.#recordPath === undefined ? undefined : this.#recording);
    return createCapabilities({
      handlers: this.#handlers,
      log: (event) => this.#logPolicyEvent(event),
      ...(session !== undefined && { session }),
    });
  }

  #logPolicyEvent({ level, message, policyId, data }: PolicyLogEvent): void {
    this.#log({ level, target: 'policy_log', message, policyId, ...(data !== undefined && { fields: { data } }) });
  }
}

/** The host of the policies of one command line. */
export function openHost(
  { recordPath, replayPath }: Pick<HostOptions, 'recordPath' | 'replayPath'>,
  given: CommandArguments,
  context: CommandContext,
): Promise<PolicyHost> {
  return PolicyHost.open({
    recordPath,
    replayPath,
    log: context.log,
    openRegistries: async () => (await import('./registry-handlers.ts')).openRegistryHandlers(given, context),
  });
}

const TARGET = 'kwctl::callback_handler';
