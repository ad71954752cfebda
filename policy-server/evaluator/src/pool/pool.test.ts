import { test } from 'tap';
import type { Attempt, Flight } from './flight.ts';
import { estimateWaitMs, type Newcomer, OverloadGuard } from './overload.ts';
import { EvaluationQueue } from './queue.ts';
import { Reputation } from './reputation.ts';
import type { Thread } from './thread.ts';
import { Turns } from './turns.ts';

/** What a guest sees of the control word of its thread. */
function word(turns: Turns): number {
  return new Int32Array(turns.control.buffer)[0] ?? 0;
}

const isStopped = (turns: Turns): boolean => (word(turns) & 1) === 1;

test('an evaluation is resumed or abandoned, never both', async (t) => {
  const turns = new Turns();
  t.equal(turns.state(3, 0), 'not-started');
  t.ok(turns.start(3, 1, 17));
  t.equal(turns.startedAtMs(3), 17);
  t.equal(turns.state(3, 0), 'on-thread');
  t.notOk(turns.abandon(3), 'nobody is torn from the thread');
  turns.suspend(3);
  t.equal(turns.state(3, 0), 'waiting-for-host');
  t.equal(turns.state(3, 1), 'waiting-for-thread', 'answered, but not resumed');
  t.ok(turns.resume(3));
  turns.suspend(3);
  t.equal(turns.state(3, 1), 'waiting-for-host');
  t.ok(turns.abandon(3));
  t.ok(turns.abandon(3), 'twice is as good as once');
  t.notOk(turns.resume(3));
  turns.unwind(3);
  t.equal(turns.state(3, 1), 'on-thread', 'for the last time');
  t.ok(isStopped(turns), 'and to do nothing else');
  t.ok(turns.finish(3));
  turns.reset(3);
  t.ok(turns.abandon(3));
  t.notOk(turns.start(3, 1, 18), 'abandoned before it began');
  t.notOk(turns.hasBegun(3));
  turns.begin(3);
  t.ok(turns.hasBegun(3));
  const other = new Turns(turns.control);
  t.ok(other.hasBegun(3), 'both threads see the same');
  other.finish(3);
  t.equal(turns.state(3, 0), 'not-started');
});

test('a stop reaches the evaluation it is meant for, and no other', async (t) => {
  const main = new Turns();
  const worker = new Turns(main.control);
  t.equal(word(main), 0, 'nobody is on the thread');
  worker.start(0, 41, 1);
  main.stop(5, 40);
  t.notOk(isStopped(main), 'meant for somebody who has gone');
  main.stop(0, 41);
  t.ok(isStopped(main));
  t.ok(worker.finish(0), 'its outcome means nothing');
  t.equal(word(main), 0);
  main.reset(0);
  worker.start(0, 42, 2);
  t.notOk(isStopped(main), 'who has just begun is not stopped for its predecessor');
  worker.suspend(0);
  main.stop(0, 42);
  t.equal(word(main), 0, 'it waits for the host');
  t.ok(worker.resume(0));
  t.ok(isStopped(main), 'it is stopped as soon as it is back');
  worker.start(1, 43, 3);
  t.notOk(isStopped(main), 'the one beside it is not');
  t.notOk(worker.finish(1));
  t.ok(isStopped(main), 'it still is');
  t.ok(worker.finish(0));
  main.stop(0, 42);
  t.equal(word(main), 0, 'too late');
  for (const id of [2 ** 30 - 2, 2 ** 30 - 1, 2 ** 31, 2 ** 53 - 1]) {
    main.reset(2);
    worker.start(2, id, 4);
    t.ok(word(main) > 0, `evaluation ${id} has a name`);
    main.stop(2, id);
    t.ok(isStopped(main));
    worker.finish(2);
  }
});

test('the wait is estimated from the queue, and from guests that run unusually long', async (t) => {
  const at = (elapsedMs: number, remainingMs: number, usualMs = 5) => ({ usualMs, elapsedMs, remainingMs });
  t.equal(estimateWaitMs(0, []), 0, 'a thread is free');
  t.equal(estimateWaitMs(0, [at(2, 1000)]), 3);
  t.equal(estimateWaitMs(40, [at(4, 1000, 4), at(0, 1000, 4)]), 20);
  const stuck = at(700, 1300);
  t.equal(estimateWaitMs(0, [stuck]), 700);
  t.equal(estimateWaitMs(0, [at(1900, 100)]), 100, 'no longer than to its deadline');
  t.equal(estimateWaitMs(0, [stuck, at(1, 9)]), 4, 'the first to be free counts');
});

/** A thread that one evaluation holds. */
function heldThread(work: Partial<Flight['work']>): Thread {
  const flight = { work: { timeoutMs: 60_000, ...work }, timesGaveWay: 1 };
  const attempt = { seatedAtMs: 0, waitedMs: 0, waitingSinceMs: undefined, flight } as unknown as Attempt;
  return { attempts: () => [attempt] } as unknown as Thread;
}

function guardAt(nowMs: number) {
  const reputation = new Reputation();
  const guard = new OverloadGuard({ concurrency: 1, maxQueueLength: 4, reputation, nowMs: () => nowMs });
  return { reputation, guard, queue: new EvaluationQueue() };
}

function waiting(policyId: string, more: Partial<Flight> = {}): Flight {
  return { work: { policyId }, isSheddable: false, ...more } as unknown as Flight;
}

test('nobody is refused while a thread is free, however slow evaluations were', async (t) => {
  const { reputation, guard, queue } = guardAt(30_000);
  for (let i = 0; i < 3; i++) reputation.behaved('p', 25_000);
  const newcomer: Newcomer = { policyId: 'p', deadlineMs: 100, isSheddable: false };
  const held = heldThread({ policyId: 'p' });
  t.doesNotThrow(() => guard.admit(newcomer, queue, []), 'a thread is free');
  t.throws(() => guard.admit(newcomer, queue, [held]), { code: 'overloaded', message: /have to wait about 30000 ms/ });
  t.doesNotThrow(() => guard.admit({ ...newcomer, deadlineMs: undefined }, queue, [held]), 'the caller has time');
  for (let i = 0; i < 4; i++) queue.add(waiting('p'), 'ordinary');
  t.throws(() => guard.admit({ ...newcomer, deadlineMs: undefined }, queue, [held]), {
    code: 'overloaded',
    message: /4 evaluations are waiting already/,
  });
  t.equal(guard.refusals, 2);
});

test('monitor mode is shed first', async (t) => {
  const { guard, queue } = guardAt(0);
  const protects: Newcomer = { policyId: 'p', deadlineMs: undefined, isSheddable: false };
  const monitors: Newcomer = { ...protects, isSheddable: true };
  const [older, younger] = [waiting('m', { isSheddable: true }), waiting('m', { isSheddable: true })];
  t.equal(guard.admit(monitors, queue, []), undefined);
  queue.add(older, 'ordinary');
  queue.add(younger, 'ordinary');
  t.throws(() => guard.admit(monitors, queue, []), { code: 'overloaded' }, 'half of the queue is not for them');
  queue.add(waiting('p'), 'ordinary');
  queue.add(waiting('p'), 'ordinary');
  t.equal(guard.admit(protects, queue, []), younger, 'it makes room');
  queue.remove(younger);
  t.equal(guard.admit(protects, queue, []), undefined);
  queue.add(waiting('p'), 'ordinary');
  queue.remove(older);
  queue.add(waiting('p'), 'ordinary');
  t.throws(() => guard.admit(protects, queue, []), { code: 'overloaded' }, 'nobody is left to be shed');
});

test('the queue gives each policy its share; the hurt go first, suspects stand apart', async (t) => {
  let queuedAtMs = 0;
  const flight = (policyId: string): Flight => waiting(policyId, { queuedAtMs: queuedAtMs++ });
  const queue = new EvaluationQueue();
  const idle = (): number => 0;
  const [first, second, third, hurt, suspect] = ['a', 'a', 'b', 'a', 'b'].map(flight);
  if (!first || !second || !third || !hurt || !suspect) throw new Error('not made');
  for (const each of [first, second, third]) queue.add(each, 'ordinary');
  queue.add(hurt, 'again');
  t.same(queue.shared(idle), [hurt, first, third]);
  t.ok(queue.remove(hurt));
  t.notOk(queue.remove(hurt));
  t.same(
    queue.shared((policyId) => (policyId === 'a' ? 1 : 0)),
    [third, first],
    'who has nobody at work comes before who has, whoever came first',
  );
  t.same(
    [...queue.sharedCounts()],
    [
      ['a', 2],
      ['b', 1],
    ],
  );
  queue.add(suspect, 'alone');
  t.same([...queue.alone()], [suspect]);
  t.same(queue.separate('a'), [first, second]);
  t.same(queue.shared(idle), [third]);
  t.same(queue.all(), [third, suspect, first, second]);
  t.equal(queue.size, 4);
});

test('a suspect is cleared by evaluations that behave, the more often it was caught the later', async (t) => {
  const reputation = new Reputation();
  const behave = (times: number): void => {
    for (let i = 0; i < times; i++) reputation.behaved('p', 1);
  };
  t.notOk(reputation.isSuspect('p'));
  reputation.caught('p');
  behave(9);
  t.ok(reputation.isSuspect('p'));
  behave(1);
  t.notOk(reputation.isSuspect('p'));
  reputation.caught('p');
  behave(19);
  t.ok(reputation.isSuspect('p'), 'twice as many');
  behave(1);
  t.notOk(reputation.isSuspect('p'));
  behave(200);
  reputation.caught('p');
  behave(10);
  t.notOk(reputation.isSuspect('p'), 'forgiven after a long time');
});

test('a policy is known to be slow by its usual run, not by its first or its worst', async (t) => {
  const reputation = new Reputation();
  t.equal(reputation.usualMs('p'), undefined);
  for (let i = 0; i < 7; i++) reputation.behaved('p', 80);
  t.notOk(reputation.isSlow('p'), 'these runs made its code ready, or the machine was busy');
  reputation.behaved('p', 60);
  t.ok(reputation.isSlow('p'));
  t.equal(reputation.usualMs('p'), 60);
  for (let i = 0; i < 30; i++) reputation.behaved('p', 2);
  t.notOk(reputation.isSlow('p'));
  for (let i = 0; i < 20; i++) reputation.behaved('p', 2);
  reputation.outlasted('p', 5000);
  t.ok(reputation.isSlow('p'));
  for (let i = 0; i < 12; i++) reputation.behaved('p', 2);
  t.notOk(reputation.isSlow('p'), 'it mends its picture soon');
});
