import { createHash } from 'node:crypto';
import { MAX_MODULE_BYTES, inspectModule, PolicyStore, readFileBounded, type StoredPolicy } from '@portcullis/artifact';
import { messageOf } from '@portcullis/protocol';
import type { CommandArguments } from '../../command-line/command.ts';
import { storeFolder, type CommandContext } from '../../environment.ts';
import { formatBytes } from '../../output/byte-size.ts';

const HEADER = ['Policy', 'Mutating', 'Context aware', 'SHA-256', 'Size'];
const SHOWN_DIGITS = 12;

/** `kwctl policies`: lists the store. */
export async function policies(given: CommandArguments, context: CommandContext): Promise<void> {
  const stored = await new PolicyStore(storeFolder(context.environment)).list();
  const found: ListedPolicy[] = [];
  for (const policy of stored) found.push(await describe(policy, context));
  const { write } = context.environment;
  if (given.options.has('json')) write(`${JSON.stringify(found)}\n`);
  else if (found.length > 0) {
    const { asciiTable } = await import('../../output/table.ts');
    write(asciiTable(HEADER, found.map(cells)));
  }
}

/** One policy as `--json` prints it; what is not known is null. */
interface ListedPolicy {
  readonly uri: string;
  readonly path: string;
  readonly sha256: string | null;
  readonly sizeBytes: number;
  readonly mutating: boolean | null;
  readonly contextAware: boolean | null;
  /** Why the file is no policy. */
  readonly error: string | null;
}

async function describe(policy: StoredPolicy, { log }: CommandContext): Promise<ListedPolicy> {
  const { uri, path, sizeBytes } = policy;
  const unknown = { uri, path, sha256: null, sizeBytes, mutating: null, contextAware: null, error: null };
  let sha256: string | null = null;
  try {
    const bytes = await readFileBounded(path, MAX_MODULE_BYTES);
    sha256 = createHash('sha256').update(bytes).digest('hex');
    const { metadata } = inspectModule(uri, bytes);
    const contextAware = (metadata?.contextAwareResources ?? []).length > 0;
    return { ...unknown, sha256, mutating: metadata?.mutating ?? null, contextAware };
  } catch (error) {
    const reason = messageOf(error);
    // One broken file must not hide the others.
    log({ level: 'warn', target: 'kwctl::policies', message: `error processing metadata of policy ${uri}: ${reason}` });
    return { ...unknown, sha256, error: reason };
  }
}

function cells({ uri, mutating, contextAware, sha256, sizeBytes, error }: ListedPolicy): readonly string[] {
  return [
    uri,
    error === null ? yesNo(mutating) : 'invalid',
    yesNo(contextAware),
    sha256?.slice(0, SHOWN_DIGITS) ?? 'unknown',
    formatBytes(sizeBytes),
  ];
}

function yesNo(value: boolean | null): string {
  if (value === null) return 'unknown';
  return value ? 'yes' : 'no';
}
