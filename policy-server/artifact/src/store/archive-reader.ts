import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { messageOf } from '@portcullis/protocol';
import type { Header } from 'tar-stream';
import { ArtifactError } from '../errors.ts';
import type { ModuleLocation } from '../location.ts';
import { refuseNoModule } from '../module-bytes.ts';
import { systemErrorText } from '../system-error.ts';
import { archiveEntries, DEFAULT_ARCHIVE_LIMITS, type ArchiveEntry, type ArchiveLimits } from './archive-entries.ts';
import type { Draft } from './draft.ts';
import { locationAt } from './store-path.ts';
import type { PolicyStore } from './store.ts';

/**
 * Puts the policies of an archive into a store, in the place of those with the same name. All of it is read and checked before
 * anything is written, and nothing is in its place before all of it is on disk.
 *
 * @returns the URIs of the policies
 * @throws ArtifactError `archive-invalid` or `store-unusable`
 */
export async function loadArchive(
  path: string,
  store: PolicyStore,
  limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS,
): Promise<readonly string[]> {
  // A pipe can be read once only; what comes through it is checked on its way.
  if (await isRegularFile(path)) await readPolicies(path, limits, async ({ body }) => drain(body));
  await using drafts = new AsyncDisposableStack();
  const written: Draft[] = [];
  const uris: string[] = [];
  await readPolicies(path, limits, async ({ location, uri, body, modified }) => {
    const draft = drafts.use(await store.create(location));
    for await (const piece of body) await draft.write(piece);
    await draft.seal(modified);
    written.push(draft);
    uris.push(uri);
  });
  for (const draft of written) await draft.commit();
  return uris.sort();
}

interface ArchivedPolicy {
  readonly location: ModuleLocation;
  readonly uri: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly modified: Date | undefined;
}

/** Reads an archive from its beginning to its end; each policy is checked while it is read. */
async function readPolicies(
  path: string,
  limits: ArchiveLimits,
  take: (policy: ArchivedPolicy) => Promise<void>,
): Promise<void> {
  const seen = new Set<string>();
  try {
    for await (const entry of archiveEntries(createReadStream(path), limits)) {
      const names = checkedNames(entry.header, limits);
      const location = locationAt(names);
      const name = names.join('/');
      if (location === undefined) throw refusal(entry.header, 'no policy of a store has this name');
      if (seen.has(name)) throw refusal(entry.header, 'it is there twice');
      seen.add(name);
      await take({ location, uri: name.replace('/', '://'), body: checkedBody(entry), modified: entry.header.mtime });
    }
  } catch (error) {
    throw worded(error, path);
  }
}

function checkedNames(header: Header, { maxEntryBytes }: ArchiveLimits): readonly string[] {
  if (header.type !== 'file') throw refusal(header, `it is no regular file but ${kindOf(header)}`);
  if (header.size > maxEntryBytes) throw refusal(header, `it has more than ${maxEntryBytes} bytes`);
  return header.name.split('/');
}

/** Kinds the reader does not know come without a word. */
function kindOf({ type }: { readonly type: string | null }): string {
  return type === null ? 'of an unknown kind' : `a ${type.replaceAll('-', ' ')}`;
}

async function* checkedBody({ header, body }: ArchiveEntry): AsyncGenerator<Uint8Array> {
  let head = new Uint8Array();
  for await (const piece of body) {
    if (head.length < 4) {
      head = Uint8Array.from([...head, ...piece.subarray(0, 4)]);
      if (head.length >= 4) checkHead(head, header);
    }
    yield piece;
  }
  if (head.length < 4) checkHead(head, header);
}

function checkHead(head: Uint8Array, header: Header): void {
  try {
    refuseNoModule(head, shown(header));
  } catch (error) {
    throw refusal(header, messageOf(error));
  }
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) void piece;
}

/** An entry that does not belong into a store; what it is called is the archive's own word. */
class Refusal extends Error {}

function refusal(header: Header, problem: string): Refusal {
  return new Refusal(`the entry ${shown(header)} is refused: ${problem}`);
}

function shown({ name }: Header): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

function worded(error: unknown, path: string): unknown {
  if (error instanceof ArtifactError) return error;
  if (error instanceof Error && 'syscall' in error) {
    return new ArtifactError('archive-invalid', `cannot open file ${path}: ${systemErrorText(error)}`, {
      cause: error,
    });
  }
  const problem = error instanceof Refusal ? messageOf(error) : `failed to iterate over archive – ${messageOf(error)}`;
  return new ArtifactError('archive-invalid', `cannot unpack file ${path}: ${problem}; nothing was unpacked`, {
    cause: error,
  });
}

async function isRegularFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    throw worded(error, path);
  }
}
