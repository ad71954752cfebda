import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { BLOCK_BYTES, eraserOf } from './eraser.ts';

const PAGE_BYTES = 65_536;

test('what is within the ends becomes zero, what is not stays', (t) => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 6 });
  const erase = eraserOf(memory);
  const random = randomFrom(77);
  for (let round = 0; round < 200; round += 1) {
    if (round === 100) memory.grow(2);
    const bytes = new Uint8Array(memory.buffer);
    const blocks = bytes.length / BLOCK_BYTES;
    const expected = new Uint8Array(bytes.length);
    // Single bytes anywhere, the first and the last of a block among them, or all of it.
    if (round % 4 === 0) expected.fill(1 + random(255));
    for (let hit = random(40); hit > 0; hit -= 1) {
      const edge = [0, BLOCK_BYTES - 1, random(BLOCK_BYTES)][random(3)] ?? 0;
      expected[random(blocks) * BLOCK_BYTES + edge] = 1 + random(255);
    }
    bytes.set(expected);
    const first = random(blocks);
    const [start, end] = [first * BLOCK_BYTES, (first + 1 + random(blocks - first)) * BLOCK_BYTES];
    erase(start, end);
    expected.fill(0, start, end);
    t.equal(Buffer.compare(bytes, expected), 0, `${start} to ${end} of ${bytes.length}`);
  }
  t.throws(() => erase(0, memory.buffer.byteLength + PAGE_BYTES), WebAssembly.RuntimeError);
  t.end();
});
