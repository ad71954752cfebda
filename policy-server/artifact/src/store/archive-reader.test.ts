import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { damage, randomFrom } from '@portcullis/testkit';
import { pack, type Header } from 'tar-stream';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { DEFAULT_ARCHIVE_LIMITS } from './archive-entries.ts';
import { loadArchive } from './archive-reader.ts';
import { PolicyStore } from './store.ts';
import { filesBelow, put } from './test/store-files.ts';

const WASM = Buffer.from('\0asm\x01\0\0\0 and some more', 'latin1');
const NAME = 'registry/ghcr.io/a/p:v1';

type Entry = Partial<Header> & { readonly name: string; readonly body?: Uint8Array };

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { body = WASM, ...header } of entries) {
    const isFile = header.type === undefined || header.type === 'file' || header.type === 'contiguous-file';
    archive.entry({ ...header, size: isFile ? body.length : 0 }, isFile ? Buffer.from(body) : '');
  }
  archive.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of archive) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

/** The header of one entry, whatever sense it makes. */
function rawHeader(name: string, size: number, typeflag = '0'): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('000644 \0', 100);
  header.write('000000 \0', 108);
  header.write('000000 \0', 116);
  if (size < 8 ** 11) header.write(`${size.toString(8).padStart(11, '0')} `, 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write('00000000000 ', 136);
  header.fill(' ', 148, 156);
  header.write(typeflag, 156);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

test('archives of other programs are loaded: GNU names, files over those that are there, a pipe', async (t) => {
  const folder = t.testdir();
  const store = new PolicyStore(join(folder, 'store'));
  const long = `registry/ghcr.io/${'a'.repeat(60)}/${'b'.repeat(60)}/policy:v1`;
  const source = join(folder, 'source');
  put(source, long, WASM);
  put(source, NAME, WASM);
  for (const format of ['gnu', 'pax', 'ustar']) {
    const path = join(folder, `${format}.tar.gz`);
    // Without the folders: `kwctl` of every version writes files only.
    execFileSync('tar', ['czf', path, `--format=${format}`, '-C', source, long, NAME]);
    put(store.root, NAME, Buffer.from('what was there'));
    t.equal((await loadArchive(path, store)).length, 2, format);
    t.ok(readFileSync(join(store.root, NAME)).equals(WASM));
    t.ok(readFileSync(join(store.root, long)).equals(WASM));
  }
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const other = new PolicyStore(join(folder, 'other'));
  const loading = loadArchive(fifo, other);
  await writeFile(fifo, readFileSync(join(folder, 'gnu.tar.gz')));
  t.equal((await loading).length, 2);
});

test('what does not belong into a store is refused, and nothing of its archive is unpacked', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'a.tar.gz');
  const good: Entry = { name: NAME };
  const refused: [string, readonly Entry[], RegExp][] = [
    [
      'leads out',
      [good, { name: 'registry/../../../etc/passwd' }],
      /"registry\/\.\.\/\.\.\/\.\.\/etc\/passwd" is refused: no policy/,
    ],
    ['leads out first', [{ name: '../registry/ghcr.io/a/p:v1' }], /no policy of a store has this name/],
    ['absolute', [good, { name: '/registry/ghcr.io/a/q:v1' }], /no policy of a store has this name/],
    ['dot', [good, { name: './registry/ghcr.io/a/q:v1' }], /no policy of a store/],
    ['other scheme', [good, { name: 'file/home/me/p.wasm' }], /"file\/home\/me\/p\.wasm" is refused: no policy/],
    ['no scheme', [good, { name: 'policy.wasm' }], /no policy of a store/],
    ['no canonical name', [good, { name: 'registry/ghcr.io/a/p' }], /no policy of a store/],
    ['draft', [good, { name: '.policy-drafts/.policy.unnamed.x.part' }], /no policy of a store/],
    ['empty segment', [good, { name: 'registry/ghcr.io//p:v1' }], /no policy of a store/],
    ['backslash', [good, { name: 'registry/ghcr.io/a\\..\\p:v1' }], /no policy of a store/],
    ['overlong', [good, { name: `https/h/${'x'.repeat(300)}` }], /no policy of a store/],
    ['terminal', [good, { name: 'registry/\u001b[2J/p:v1' }], /"registry\/\\u001b\[2J\/p:v1" is refused/],
    [
      'symlink',
      [good, { name: 'registry/ghcr.io/a/q:v1', type: 'symlink', linkname: '/etc/passwd' }],
      /no regular file but a symlink/,
    ],
    ['hard link', [good, { name: 'registry/ghcr.io/a/q:v1', type: 'link', linkname: NAME }], /but a link/],
    ['folder', [good, { name: 'registry/ghcr.io/a/q:v1', type: 'directory' }], /but a directory/],
    ['device', [good, { name: 'registry/ghcr.io/a/q:v1', type: 'character-device' }], /but a character device/],
    ['pipe', [good, { name: 'registry/ghcr.io/a/q:v1', type: 'fifo' }], /but a fifo/],
    ['twice', [good, { name: 'https/h/p.wasm' }, good], /it is there twice/],
    ['no module', [good, { name: 'https/h/p.wasm', body: Buffer.from('text') }], /invalid wasm file/],
    ['empty', [good, { name: 'https/h/p.wasm', body: new Uint8Array() }], /got an empty file/],
  ];
  for (const [name, entries, message] of refused) {
    const store = new PolicyStore(join(folder, 'store'));
    writeFileSync(path, gzipSync(await tarOf(entries)));
    await t.rejects(loadArchive(path, store), { code: 'archive-invalid', message }, name);
    t.notOk(existsSync(store.root), `nothing is written: ${name}`);
    const error = await loadArchive(path, store).then(
      () => undefined,
      (problem: unknown) => problem,
    );
    t.ok(error instanceof Error && error.message.startsWith(`cannot unpack file ${path}: `), name);
  }
});

test('damaged and endless archives are refused in bounded time and memory', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'a.tar.gz');
  const store = new PolicyStore(join(folder, 'store'));
  const whole = gzipSync(await tarOf([{ name: NAME, body: Buffer.concat([WASM, Buffer.alloc(5000, 'x')]) }]));
  const header = rawHeader(NAME, WASM.length);
  const limits = { ...DEFAULT_ARCHIVE_LIMITS, maxEntryBytes: 2 ** 20, maxTotalBytes: 8 * 2 ** 20, maxEntries: 50 };
  const many = await tarOf(Array.from({ length: 51 }, (_, index) => ({ name: `https/h/${index}.wasm` })));
  const damagedSum = Buffer.from(header);
  damagedSum[0] = 0x78;
  for (const [name, bytes, message] of [
    ['truncated gzip', whole.subarray(0, whole.length - 20), /failed to iterate over archive – unexpected end of file/],
    ['empty file', Buffer.alloc(0), /failed to iterate over archive/],
    ['no gzip', Buffer.from('a text'), /failed to iterate over archive – incorrect header check/],
    ['no tar', gzipSync(Buffer.alloc(2048, 'x')), /failed to iterate over archive – Invalid tar header/],
    [
      'cut within a file',
      gzipSync(Buffer.concat([rawHeader(NAME, 5000), WASM])),
      /failed to iterate over archive – Unexpected end of data/,
    ],
    ['wrong checksum', gzipSync(Buffer.concat([damagedSum, padded(WASM)])), /Invalid tar header/],
    ['announces too much', gzipSync(Buffer.concat([rawHeader(NAME, 2 ** 21), WASM])), /has more than 1048576 bytes/],
    ['announces nonsense', gzipSync(Buffer.concat([rawHeader(NAME, 2 ** 52), WASM])), /has more than|holds more than/],
    ['too many', gzipSync(many), /more than 50 entries/],
    [
      'zeros without end',
      gzipSync(Buffer.concat([header, padded(WASM), Buffer.alloc(64 * 2 ** 20)])),
      /goes on behind/,
    ],
    [
      'headers without end',
      gzipSync(
        Buffer.concat(
          Array.from({ length: 4000 }, () =>
            Buffer.concat([rawHeader('PaxHeader', 512, 'x'), padded(Buffer.from('12 path=abc\n'.padEnd(512)))]),
          ),
        ),
      ),
      /goes on behind/,
    ],
    [
      'one huge header',
      gzipSync(Buffer.concat([rawHeader('PaxHeader', 2 ** 30, 'x'), Buffer.alloc(16 * 2 ** 20, 'x')])),
      /Header exceeds max size/,
    ],
    [
      'together too much',
      gzipSync(
        Buffer.concat(
          Array.from({ length: 9 }, (_, index) =>
            Buffer.concat([
              rawHeader(`https/h/${index}.wasm`, 2 ** 20),
              padded(Buffer.concat([WASM, Buffer.alloc(2 ** 20 - WASM.length)])),
            ]),
          ),
        ),
      ),
      /holds more than 8388608 bytes/,
    ],
  ] as const) {
    writeFileSync(path, bytes);
    const before = process.memoryUsage().rss;
    await t.rejects(loadArchive(path, store, limits), { code: 'archive-invalid', message }, name);
    t.ok(process.memoryUsage().rss - before < 100 * 2 ** 20, `memory stays: ${name}`);
    t.notOk(existsSync(store.root), `nothing is written: ${name}`);
  }
  await t.rejects(loadArchive(join(folder, 'none'), store), {
    code: 'archive-invalid',
    message: `cannot open file ${join(folder, 'none')}: No such file or directory (os error 2)`,
  });
  await t.rejects(loadArchive(folder, store), {
    code: 'archive-invalid',
    message: /^cannot open file .*: Is a directory/,
  });
});

test('fuzz: damaged archives are refused or loaded whole, and write nowhere else', async (t) => {
  const folder = t.testdir();
  const random = randomFrom(11);
  const path = join(folder, 'inside', 'a.tar.gz');
  mkdirSync(dirname(path));
  const tar = await tarOf([
    { name: NAME },
    { name: 'https/h/p.wasm', body: Buffer.concat([WASM, Buffer.alloc(900)]) },
    { name: 'registry/ghcr.io/a/ü:v1'.replace('ü', 'q') },
  ]);
  const pieces = ['../', '/', '\0', '..', 'registry/', '5', '2', 'path=../../x'].map((text) => Buffer.from(text));
  let loaded = 0;
  for (let round = 0; round < 80; round++) {
    const inside = random(3) > 0;
    const bytes = inside
      ? gzipSync(repaired(damage(tar, random, pieces)), { level: 1 })
      : damage(gzipSync(tar), random, pieces);
    writeFileSync(path, bytes);
    const store = new PolicyStore(join(folder, 'inside', 'store'));
    try {
      const uris = await loadArchive(path, store);
      t.same(
        (await store.list()).map(({ uri }) => uri),
        uris,
      );
      for (const { path: file } of await store.list())
        t.ok(readFileSync(file).subarray(0, 4).equals(WASM.subarray(0, 4)));
      loaded++;
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      if (error.code !== 'archive-invalid') t.fail(error.message);
      t.same(filesBelow(store.root), []);
    }
    execFileSync('rm', ['-rf', store.root]);
    t.same(readdirSync(folder), ['inside']);
    t.same(readdirSync(dirname(path)), ['a.tar.gz']);
  }
  t.ok(loaded > 0 && loaded < 80, `${loaded} were still whole`);
});

/** Damage that hides behind right checksums: of the blocks that look like headers. */
function repaired(tar: Uint8Array): Buffer {
  const bytes = Buffer.from(tar);
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  }
  return bytes;
}
