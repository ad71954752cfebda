import type { MessagePort, Worker } from 'node:worker_threads';
import { test } from 'tap';
import { findRelief } from './fairness.ts';
import { type Attempt, type Flight, newAttempt } from './flight.ts';
import { EvaluationQueue } from './queue.ts';
import { Reputation } from './reputation.ts';
import { nextSeating } from './seating.ts';
import { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

let lastId = 0;

function flightOf(policyId: string, more: Partial<Flight> = {}): Flight {
  const work = { policyId, timeoutMs: 2000 };
  const flight: Partial<Flight> = {
    queuedAtMs: ++lastId,
    timesGaveWay: 0,
    isSheddable: false,
    settled: false,
    ...more,
  };
  return { work, ...flight } as unknown as Flight;
}

function threads(count: number): Thread[] {
  return Array.from({ length: count }, (_, threadId) => new Thread({ threadId } as Worker, {} as MessagePort));
}

/** Puts a flight on a thread, where it has run for a while. */
function occupy(thread: Thread, flight: Flight, ranMs: number): Attempt {
  const attempt = newAttempt(flight, thread, ++lastId, monotonicMs() - ranMs);
  flight.attempt = attempt;
  thread.add(attempt);
  thread.turns.start(attempt.seat, attempt.evaluationId, monotonicMs() - ranMs);
  return attempt;
}

function known(quick: string, slow?: string): Reputation {
  const reputation = new Reputation();
  for (let i = 0; i < 8; i++) {
    reputation.behaved(quick, 1);
    if (slow !== undefined) reputation.behaved(slow, 100);
  }
  return reputation;
}

function queueOf(...flights: Flight[]): EvaluationQueue {
  const queue = new EvaluationQueue();
  for (const flight of flights) queue.add(flight, 'ordinary');
  return queue;
}

test('the youngest gives way once all have outstayed their slice, and each once only', async (t) => {
  const [one, two] = threads(2) as [Thread, Thread];
  const reputation = known('quick');
  const queue = queueOf(flightOf('quick'));
  occupy(one, flightOf('long'), 500);
  t.equal(findRelief(queue, [one], reputation)?.kind, 'stop');
  const seated = newAttempt(flightOf('long'), two, ++lastId, monotonicMs());
  two.add(seated);
  t.same(findRelief(queue, [two], reputation), { kind: 'look-again', inMs: 20 }, 'it has not begun');
  two.remove(seated);
  const younger = occupy(two, flightOf('long'), 5);
  const relief = findRelief(queue, [one, two], reputation);
  t.ok(relief?.kind === 'look-again' && relief.inMs > 0 && relief.inMs <= 15, 'there may be room in a moment');
  two.remove(younger);
  const long = occupy(two, flightOf('long'), 50);
  t.same(findRelief(queue, [one, two], reputation), { kind: 'stop', attempt: long });
  two.remove(long);
  occupy(two, flightOf('long', { timesGaveWay: 1 }), 50);
  const older = one.attempts()[0];
  t.same(findRelief(queue, [one, two], reputation), { kind: 'stop', attempt: older });
  if (older !== undefined) older.stop = { reason: 'preempted', raisedAtMs: 0, onThread: true };
  t.equal(findRelief(queue, [one, two], reputation), undefined, 'somebody is about to leave');
});

test('nobody gives way to who is as long, or to nobody', async (t) => {
  const [thread] = threads(1) as [Thread];
  const reputation = known('quick', 'slow');
  occupy(thread, flightOf('slow'), 1);
  t.equal(findRelief(new EvaluationQueue(), [thread], reputation), undefined);
  const later = findRelief(queueOf(flightOf('slow')), [thread], reputation);
  t.ok(later?.kind === 'look-again' && later.inMs > 300, 'unless it goes astray');
  t.equal(
    findRelief(queueOf(flightOf('slow'), flightOf('quick')), [thread], reputation)?.kind,
    'stop',
    'known to be long',
  );
  const [other] = threads(1) as [Thread];
  const astray = occupy(other, flightOf('quick'), 50);
  t.match(
    findRelief(queueOf(flightOf('quick')), [other], reputation),
    { kind: 'look-again' },
    'the machine may be busy',
  );
  t.same(findRelief(queueOf(flightOf('new')), [other], reputation), { kind: 'stop', attempt: astray });
  other.remove(astray);
  occupy(other, flightOf('new'), 500);
  t.equal(findRelief(queueOf(flightOf('new')), [other], reputation), undefined, 'who waits may well be as long');
});

test('a suspect gives way to everybody else, after a slice that grows', async (t) => {
  const reputation = known('quick', 'slow');
  reputation.caught('suspect');
  const stopsFor = (waiter: Flight, line: 'ordinary' | 'alone', ranMs: number, timesGaveWay: number): boolean => {
    const queue = new EvaluationQueue();
    queue.add(waiter, line);
    const [one, two] = threads(2) as [Thread, Thread];
    const suspect = flightOf('suspect', { timesGaveWay });
    occupy(one, suspect, ranMs);
    one.reservedFor = suspect;
    occupy(two, flightOf('quick'), 1);
    return findRelief(queue, [one, two], reputation)?.kind === 'stop';
  };
  t.ok(stopsFor(flightOf('slow'), 'ordinary', 30, 0));
  t.ok(stopsFor(flightOf('slow', { timesGaveWay: 1 }), 'alone', 30, 0));
  t.notOk(stopsFor(flightOf('slow'), 'ordinary', 30, 1));
  t.ok(stopsFor(flightOf('slow'), 'ordinary', 50, 1));
  t.ok(stopsFor(flightOf('slow'), 'ordinary', 200, 20), 'there is an end to it');
  t.notOk(stopsFor(flightOf('suspect'), 'alone', 1000, 0), 'not to its like');
  t.notOk(stopsFor(flightOf('quick'), 'ordinary', 1000, 0), 'nor to who has another thread in a moment');
});

test('the last thread is not for the long while somebody else waits', async (t) => {
  const reputation = known('quick', 'slow');
  const rules = { concurrency: 2, reputation, nowMs: 0 };
  const [one, two] = threads(2) as [Thread, Thread];
  occupy(one, flightOf('slow'), 1);
  const [slow, quick] = [flightOf('slow'), flightOf('quick')];
  t.same(nextSeating(queueOf(slow), [one, two], rules), { flight: slow, thread: two }, 'while it is alone it has all');
  t.same(nextSeating(queueOf(slow, quick), [one, two], rules), { flight: quick, thread: two });
  const gaveWay = flightOf('slow', { timesGaveWay: 1 });
  const queue = queueOf(quick);
  queue.add(gaveWay, 'alone');
  t.same(nextSeating(queue, [one, two], rules), { flight: quick, thread: two });
  queue.remove(quick);
  t.same(nextSeating(queue, [one, two], rules), { flight: gaveWay, thread: two });
  occupy(two, gaveWay, 1);
  const second = flightOf('slow', { timesGaveWay: 1 });
  const both = new EvaluationQueue();
  both.add(second, 'alone');
  const [, three] = threads(2) as [Thread, Thread];
  t.equal(nextSeating(both, [two, three], rules), undefined, 'those that gave way leave one thread');
});

test('a suspect policy has one thread, whatever the number of its evaluations', async (t) => {
  const reputation = known('quick');
  reputation.caught('suspect');
  reputation.caught('other');
  const rules = { concurrency: 4, reputation, nowMs: 0 };
  const four = threads(4);
  const queue = new EvaluationQueue();
  const [first, second, other] = [flightOf('suspect'), flightOf('suspect'), flightOf('other')];
  for (const flight of [first, second, other]) queue.add(flight, 'alone');
  const seated: (Flight | undefined)[] = [];
  for (;;) {
    const seating = nextSeating(queue, four, rules);
    if (seating === undefined) break;
    queue.remove(seating.flight);
    occupy(seating.thread, seating.flight, 1);
    seated.push(seating.flight);
  }
  t.same(seated, [first, other]);
  t.same(queue.all(), [second]);
});

test('who is quick may be seated behind one who is quick, and nobody else behind anybody', async (t) => {
  const [one, two] = threads(2) as [Thread, Thread];
  const reputation = known('quick', 'slow');
  const rules = { concurrency: 2, reputation, nowMs: 0 };
  const quick = flightOf('quick');
  occupy(one, flightOf('quick'), 0);
  t.same(nextSeating(queueOf(quick), [one, two], rules), { flight: quick, thread: two }, 'a free thread is better');
  occupy(two, flightOf('slow'), 0);
  t.same(nextSeating(queueOf(quick), [one, two], rules), { flight: quick, thread: one });
  t.equal(nextSeating(queueOf(flightOf('slow')), [one, two], rules), undefined);
  t.equal(nextSeating(queueOf(flightOf('never seen')), [one, two], rules), undefined);
  t.equal(occupy(one, flightOf('quick'), 0).isFollower, true);
  t.equal(nextSeating(queueOf(quick), [one, two], rules), undefined, 'one at most waits there');
});
