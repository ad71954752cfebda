import { PassThrough, Readable } from 'node:stream';
import { test } from 'tap';
import { BodyBudget, BodyError, receiveBody } from './body.ts';

function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'received',
    (error: unknown) => (error instanceof BodyError ? error.failure : String(error)),
  );
}

test('a body within the limit is received whole, and its memory given back when it is no longer needed', async (t) => {
  const budget = new BodyBudget(10);
  {
    using body = await receiveBody(Readable.from([Buffer.from('12345'), Buffer.from('67890')]), {
      maxBytes: 10,
      budget,
      contentLength: undefined,
    });
    t.equal(Buffer.from(body.bytes).toString(), '1234567890');
    t.equal(budget.usedBytes, 10);
  }
  t.equal(budget.usedBytes, 0);
});

test('one byte too many is too large, announced or not, and nothing stays taken', async (t) => {
  const budget = new BodyBudget(100);
  const stream = Readable.from([Buffer.from('12345'), Buffer.from('678901')]);
  t.equal(await failureOf(receiveBody(stream, { maxBytes: 10, budget, contentLength: undefined })), 'too-large');
  const announced = new PassThrough();
  t.equal(await failureOf(receiveBody(announced, { maxBytes: 10, budget, contentLength: 11 })), 'too-large');
  announced.end('x'.repeat(11));
  t.equal(budget.usedBytes, 0);
});

test('many slow bodies together cannot take more memory than the budget', async (t) => {
  const budget = new BodyBudget(15);
  const limits = { maxBytes: 10, budget, contentLength: undefined };
  const [first, second] = [new PassThrough(), new PassThrough()];
  const received = receiveBody(first, limits);
  const refused = failureOf(receiveBody(second, limits));
  first.write('1234567890');
  await new Promise(setImmediate);
  second.write('123456');
  t.equal(await refused, 'overloaded');
  first.end();
  (await received)[Symbol.dispose]();
  t.equal(budget.usedBytes, 0);
});

test('a client that goes away in the middle leaves nothing behind', async (t) => {
  const budget = new BodyBudget(100);
  for (const end of [
    (stream: PassThrough) => stream.destroy(),
    (stream: PassThrough) => stream.destroy(new Error('reset')),
  ]) {
    const stream = new PassThrough();
    const failure = failureOf(receiveBody(stream, { maxBytes: 10, budget, contentLength: 10 }));
    stream.write('123');
    await new Promise(setImmediate);
    end(stream);
    t.equal(await failure, 'disconnected');
  }
  t.equal(budget.usedBytes, 0);
});
