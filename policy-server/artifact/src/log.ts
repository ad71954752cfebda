/** What happens while a policy is found, fetched and verified, for whoever keeps a log. */
export interface ArtifactLogRecord {
  readonly level: 'debug' | 'info' | 'warn';
  /** Who says it: `policy_fetcher::registry`. */
  readonly target: string;
  readonly message: string;
  /** Shown as `key=value`; values are written as they are. Never a credential. */
  readonly fields?: Readonly<Record<string, string>>;
}

export type ArtifactLog = (record: ArtifactLogRecord) => void;
