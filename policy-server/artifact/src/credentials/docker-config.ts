import { join } from 'node:path';
import { messageOf } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { readFileBounded, type FileReader } from '../file.ts';
import type { ArtifactLog, ArtifactLogRecord } from '../log.ts';
import { systemErrorText } from '../system-error.ts';
import { entryOf, parseDockerConfig, type DockerConfig } from './config-file.ts';
import type { Credential, CredentialSource } from './credentials.ts';
import { credentialFromHelper, helperProgram, runCredentialHelper, type HelperRunner } from './helper.ts';
import { helperServerAddress } from './registry-key.ts';

export interface DockerCredentialsOptions {
  /** The folder that holds `config.json`. */
  readonly folder: string;
  readonly log: ArtifactLog;
  /** @default a child process, without a shell, bounded in time and output */
  readonly runHelper?: HelperRunner;
  /** @default reads a regular file, bounded */
  readonly readFile?: FileReader;
  /** @default Date.now */
  readonly nowMs?: () => number;
}

const MAX_CONFIG_BYTES = 2 ** 20;
/** A start fetches a hundred policies at once: not a hundred runs of a helper that logs in at a cloud. */
const HELPER_ANSWER_MS = 60_000;
/** Registries come from the references of policies and requests: there may be any number of them. */
const MAX_HELPER_ANSWERS = 1000;
const NOTHING: DockerConfig = { credentials: new Map(), helpers: new Map(), defaultHelper: undefined, broken: [] };

/**
 * Credentials as `docker login` leaves them in `config.json`: helpers of single registries, identity tokens, user names
 * with passwords, the helper of all other registries. The file is read again for each question, so that a server that
 * runs for months sees rotated secrets. What is broken is logged, without secrets, and counts as anonymous.
 */
export function createDockerCredentials(options: DockerCredentialsOptions): CredentialSource {
  return new DockerCredentials(options);
}

interface HelperAnswer {
  readonly credential: Promise<Credential | undefined>;
  readonly untilMs: number;
}

class DockerCredentials implements CredentialSource {
  readonly #options: DockerCredentialsOptions;
  readonly #path: string;
  /** The last content that was read, and what it says. */
  #read: { content: Uint8Array | string; config: DockerConfig } | undefined;
  readonly #answers = new Map<string, HelperAnswer>();

  constructor(options: DockerCredentialsOptions) {
    this.#options = options;
    this.#path = join(options.folder, 'config.json');
  }

  async credentialFor(registryHost: string): Promise<Credential | undefined> {
    const { credentials, helpers, defaultHelper } = await this.#config();
    const ownHelper = entryOf(helpers, registryHost);
    if (ownHelper !== undefined) return this.#askOnce(ownHelper, registryHost);
    const credential = entryOf(credentials, registryHost);
    if (credential !== undefined || defaultHelper === undefined) return credential;
    return this.#askOnce(defaultHelper, registryHost);
  }

  async #config(): Promise<DockerConfig> {
    const content = await this.#content();
    if (this.#read !== undefined && isSame(this.#read.content, content)) return this.#read.config;
    const config = typeof content === 'string' ? NOTHING : this.#parse(content);
    this.#read = { content, config };
    this.#answers.clear();
    return config;
  }

  /** The bytes of the file, or why there are none. */
  async #content(): Promise<Uint8Array | string> {
    try {
      return await (this.#options.readFile ?? readFileBounded)(this.#path, MAX_CONFIG_BYTES);
    } catch (error) {
      const reason = error instanceof ArtifactError ? error.message : systemErrorText(error);
      if (this.#read?.content !== reason) {
        this.#log(isMissing(error) ? 'debug' : 'warn', `no registry credentials from Docker: ${reason}`);
      }
      return reason;
    }
  }

  #parse(content: Uint8Array): DockerConfig {
    try {
      const config = parseDockerConfig(content);
      for (const registry of config.broken) {
        this.#log('warn', `the entry of '${registry}' is not the base64 of user:password`, { path: this.#path });
      }
      return config;
    } catch {
      // The parser's message may quote what it read.
      this.#log('warn', 'the Docker config file is not valid JSON; registries are asked anonymously', {
        path: this.#path,
      });
      return NOTHING;
    }
  }

  #askOnce(helper: string, registryHost: string): Promise<Credential | undefined> {
    const nowMs = (this.#options.nowMs ?? Date.now)();
    const key = JSON.stringify([helper, registryHost]);
    const known = this.#answers.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.credential;
    if (this.#answers.size >= MAX_HELPER_ANSWERS) this.#answers.clear();
    const credential = this.#ask(helper, registryHost).catch((error: unknown) => {
      // What failed may succeed the next time.
      this.#answers.delete(key);
      this.#log('warn', `no credential from helper '${helper}': ${messageOf(error)}`, { registry: registryHost });
      return undefined;
    });
    this.#answers.set(key, { credential, untilMs: nowMs + HELPER_ANSWER_MS });
    return credential;
  }

  async #ask(helper: string, registryHost: string): Promise<Credential | undefined> {
    const program = helperProgram(helper);
    if (program === undefined) throw new Error("the name of a helper has letters, digits, '.', '_' and '-' only");
    const run = this.#options.runHelper ?? runCredentialHelper;
    const credential = credentialFromHelper(await run(program, helperServerAddress(registryHost)));
    if (credential === undefined) this.#log('debug', `${program} knows no credential`, { registry: registryHost });
    return credential;
  }

  #log(level: ArtifactLogRecord['level'], message: string, fields?: Readonly<Record<string, string>>): void {
    const record = { level, target: 'policy_fetcher::credentials', message };
    this.#options.log(fields === undefined ? record : { ...record, fields });
  }
}

function isSame(a: Uint8Array | string, b: Uint8Array | string): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof ArtifactError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}
