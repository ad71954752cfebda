import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TranspiledComponent } from './transpile.ts';
import { JCO_TRANSPILE_VERSION, WORLD } from './world.ts';

/** Format of the file itself; part of the first line. */
const MAGIC = 'portcullis transpiled component 1';
const DIGEST_LENGTH = 64;
/** A component of the largest size allowed transpiles to little more than itself. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

const encoder = new TextEncoder();

/** Transpiled components in a folder, one file each; nothing is ever overwritten with different content. */
export interface ComponentCache {
  read(sha256: string): Promise<TranspiledComponent | undefined>;
  /** Best effort: a full or read-only disk costs time at the next start, nothing else. */
  write(sha256: string, component: TranspiledComponent): Promise<void>;
}

/**
 * The cache under `cacheDir`. The key covers what the result depends on: the component's digest, the version of the
 * transpiler and the world. A file that was cut short, damaged or written for another key does not match the digest in its
 * first line and is read as absent. That guards against accidents, not against someone who may write to the folder: it is
 * created for its owner alone, as any folder is from which a program loads code.
 */
export function componentCache(cacheDir: string): ComponentCache {
  const folder = join(cacheDir, 'components');
  return {
    async read(sha256) {
      const key = cacheKey(sha256);
      const bytes = await readFileUpTo(join(folder, key), MAX_FILE_BYTES);
      return bytes === undefined ? undefined : decode(bytes, key);
    },
    async write(sha256, component) {
      const key = cacheKey(sha256);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeAtomically(join(folder, key), encode(component, key));
      } catch {
        // See `ComponentCache.write`.
      }
    },
  };
}

function cacheKey(sha256: string): string {
  return createHash('sha256').update(`${MAGIC}\n${sha256}\n${JCO_TRANSPILE_VERSION}\n${WORLD}`).digest('hex');
}

/** Readers see the old state or the whole file, never a part, also when two processes write the same one. */
async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function readFileUpTo(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    if ((await stat(path)).size > maxBytes) return undefined;
    return await readFile(path);
  } catch {
    return undefined;
  }
}

/** `<magic>\n<sha256 of key and body>\n<body>`; body = parts, each with its length in four bytes; the first part is the glue. */
function encode({ glue, coreModules }: TranspiledComponent, key: string): Uint8Array {
  const parts = [encoder.encode(glue), ...coreModules];
  const body = Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(part.length);
      return [length, part];
    }),
  );
  return Buffer.concat([encoder.encode(`${MAGIC}\n${digestOf(key, body)}\n`), body]);
}

function decode(bytes: Uint8Array, key: string): TranspiledComponent | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const bodyStart = MAGIC.length + 1 + DIGEST_LENGTH + 1;
  const body = buffer.subarray(bodyStart);
  if (buffer.toString('latin1', 0, bodyStart) !== `${MAGIC}\n${digestOf(key, body)}\n`) return undefined;
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 4 <= body.length; at += 4 + (parts.at(-1)?.length ?? 0)) {
    const length = body.readUInt32LE(at);
    parts.push(body.subarray(at + 4, at + 4 + length));
  }
  const [glue, ...coreModules] = parts;
  return glue === undefined ? undefined : { glue: new TextDecoder().decode(glue), coreModules };
}

function digestOf(key: string, body: Uint8Array): string {
  return createHash('sha256').update(key).update(body).digest('hex');
}
