import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A file below a folder, with the folders on the way; by default the shortest thing that looks like a module. */
export function put(root: string, path: string, content: string | Uint8Array = '\0asm'): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** Every file below a folder, drafts included, sorted. */
export function filesBelow(folder: string): string[] {
  return tree(folder).filter((path) => statSync(join(folder, path)).isFile());
}

/** Every file and folder below a folder, sorted. */
export function tree(root: string): string[] {
  return existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }).sort() : [];
}
