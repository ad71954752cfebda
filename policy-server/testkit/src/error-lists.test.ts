import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';

const HOME = join(import.meta.dirname, '../..');
const PACKAGES = ['artifact', 'evaluator', 'capabilities', 'server'] as const;

const COMMENT = /\/\*\*.*?\*\//gs;
const UNION = /export type \w+ErrorCode =([^;]*);/;

/** The codes of the one closed union of a package. */
function codesOf(source: string): string[] {
  const [, union = ''] = UNION.exec(source.replaceAll(COMMENT, '')) ?? [];
  return [...union.matchAll(/'([a-z-]+)'/g)].map(([, code = '']) => code);
}

/** Codes of the lines `` - `code` – what happened – what to do``. */
function linesOf(list: string): string[] {
  const lines = list.split('\n').filter((line) => line.startsWith('- '));
  return lines.map((line) => /^- `([a-z-]+)` – \S[^–]* – \S[^–]*$/.exec(line)?.[1] ?? `not of the form: ${line}`);
}

/** All product code of a package but the union itself. */
async function productCode(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /(?<!\.test)\.ts$/.test(entry.name));
  const texts = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')));
  return texts.map((text) => text.replaceAll(COMMENT, '').replace(UNION, '')).join('\n');
}

test('every error code says what happened and what to do, and is in use', async (t) => {
  for (const name of PACKAGES) {
    const codes = codesOf(await readFile(join(HOME, name, 'src/errors.ts'), 'utf8'));
    t.ok(codes.length > 5, name);
    t.same(linesOf(await readFile(join(HOME, name, 'ERRORS.md'), 'utf8')), codes, `${name}/ERRORS.md, in order`);
    const code = await productCode(join(HOME, name, 'src'));
    t.same(
      codes.filter((each) => !code.includes(`'${each}'`)),
      [],
      `${name}: nobody throws these`,
    );
  }
});

test('a missing, a strange and a shapeless line are noticed', (t) => {
  const source = "export type XErrorCode =\n  /** It's gone; 'no-code' here. */\n  | 'gone'\n  | 'late';";
  t.same(codesOf(source), ['gone', 'late']);
  t.same(linesOf('# X\n\n- `gone` – a – b\n- `late` – a\n'), ['gone', 'not of the form: - `late` – a']);
  t.end();
});
