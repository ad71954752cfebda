import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { describeError } from '../../errors.ts';
import { logFor, type Log, type TargetLog } from '../../telemetry/log.ts';
import { loadAuthorities, loadKeyPair, type TlsFiles, type TlsMaterial } from './material.ts';

export interface TlsReloaderOptions {
  readonly files: TlsFiles;
  /** Puts new material into force for new connections. */
  readonly apply: (material: TlsMaterial) => void;
  readonly log: Log;
  /** How often files are looked at even if the kernel reports nothing (network file systems). @default 5000 */
  readonly pollMs?: number;
  /** How long files must be quiet before they are read. @default 100 */
  readonly settleMs?: number;
}

/**
 * Keeps certificates up to date while the server runs. The folders are watched, not the files: a Kubernetes Secret is renewed
 * by re-pointing a symbolic link next to them, and `mv` replaces the file a watch would hang on to. What counts is the
 * content: a pair that is whole, belongs together and differs goes into force; until then the one before stays.
 */
export class TlsReloader implements Disposable {
  readonly #options: TlsReloaderOptions;
  readonly #log: TargetLog;
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  #material: TlsMaterial;
  #settle: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();
  #lastFailure = '';

  constructor(material: TlsMaterial, options: TlsReloaderOptions) {
    this.#material = material;
    this.#options = options;
    this.#log = logFor(options.log, 'policy_server::tls');
    this.#poll = setInterval(() => this.#schedule(), options.pollMs ?? 5000).unref();
    this.#watchFolders();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settle);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watchFolders(): void {
    const { certFile, keyFile, clientCaFiles } = this.#options.files;
    for (const folder of new Set([certFile, keyFile, ...clientCaFiles].map((file) => dirname(file)))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#schedule());
        // A folder that vanishes is not the end of the server: polling goes on.
        watcher.on('error', (error) => this.#log.warn('cannot watch certificates', { folder, error: error.message }));
        this.#watchers.push(watcher);
      } catch (error) {
        this.#log.warn('cannot watch certificates', { folder, error: describeError(error) });
      }
    }
  }

  #schedule(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = undefined;
      this.#checking = this.#checking.then(() => this.#check());
    }, this.#options.settleMs ?? 100).unref();
  }

  async #check(): Promise<void> {
    const failures: string[] = [];
    const pair = await this.#attempt(failures, this.#material.pair, () => loadKeyPair(this.#options.files));
    const authorities = await this.#attempt(failures, this.#material.authorities, () =>
      loadAuthorities(this.#options.files, (file, text) => this.#log.debug(text, { file })),
    );
    this.#reportFailures(failures);
    const newPair = pair.certificates !== this.#material.pair.certificates || pair.key !== this.#material.pair.key;
    const newAuthorities = authorities.join('\n') !== this.#material.authorities.join('\n');
    if (!newPair && !newAuthorities) return;
    try {
      this.#options.apply({ pair, authorities });
      this.#material = { pair, authorities };
      if (newPair) this.#log.info('Reloading Server TLS certificates', certificateFields(pair.leaf));
      if (newAuthorities) this.#log.info('Reloading client CA certificates', { count: authorities.length });
    } catch (error) {
      this.#reportFailures([describeError(error)]);
    }
  }

  async #attempt<T>(failures: string[], current: T, load: () => Promise<T>): Promise<T> {
    try {
      return await load();
    } catch (error) {
      failures.push(describeError(error));
      return current;
    }
  }

  /** Once per kind of failure, not once per poll. */
  #reportFailures(failures: readonly string[]): void {
    const failure = failures.join('; ');
    if (failure !== '' && failure !== this.#lastFailure) {
      this.#log.error('TLS files cannot be used, the ones in force stay', { error: failure });
    }
    this.#lastFailure = failure;
  }
}

/** What tells an operator which certificate is in force. */
export function certificateFields(leaf: TlsMaterial['pair']['leaf']): {
  subject: string;
  serial: string;
  valid_to: string;
} {
  return { subject: leaf.subject, serial: leaf.serialNumber, valid_to: leaf.validTo };
}
