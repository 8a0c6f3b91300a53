import type { ClusterStatus } from '@quorate/consensus';
import { seededRandom } from '@quorate/core';
import { expect, test } from 'vitest';
import type { Fault } from '../../src/faults/fault.ts';
import { type Injection, injectFaults } from '../../src/faults/inject.ts';
import { ManualClock } from '../workload/manual-clock.ts';

interface Event {
  readonly what: string;
  readonly atMs: number;
}

/** A fault that writes down whom it struck and when; striking and mending take 10 ms each. */
function recordingFault(clock: ManualClock, events: Event[], { isMendable = true } = {}): Fault {
  const slowly = (what: string) =>
    new Promise<void>((resolve) => {
      events.push({ what, atMs: clock.nowMs() });
      clock.after(10, resolve);
    });
  return {
    name: 'test-fault',
    sentence: '',
    nodesMin: 1,
    isKill: false,
    async strike({ leader, followers }) {
      await slowly(`strike ${leader} of ${followers.join('')}`);
      return { target: leader, mend: isMendable ? () => slowly('mend') : undefined };
    },
  };
}

function statusOf(leader: string | undefined, down: readonly string[] = []): ClusterStatus {
  const node = (name: string) => ({
    role: down.includes(name) ? ('down' as const) : ('follower' as const),
    term: 1,
    commitIndex: 0,
    appliedIndex: 0,
    mailboxDepth: 0,
    failure: undefined,
  });
  const nodes = { a: node('a'), b: node('b'), c: node('c') };
  return { algorithm: 'raft', members: Object.keys(nodes), leader, epoch: 1, nodes };
}

function injectionOf(clock: ManualClock, changes: Partial<Injection> & { status: () => ClusterStatus }) {
  const { status, ...others } = changes;
  return {
    cluster: { status } as Injection['cluster'],
    schedule: [],
    isDurable: true,
    random: seededRandom(1),
    clock,
    beganMs: 100,
    signal: new AbortController().signal,
    ...others,
  };
}

test('a fault strikes and is mended on schedule, counted from the start of the run', async () => {
  const clock = new ManualClock();
  await clock.advanceTo(100);
  const events: Event[] = [];
  const schedule = [{ fault: recordingFault(clock, events), strikeAtMs: 300, lastsMs: 200 }];
  const struck = injectFaults(injectionOf(clock, { schedule, status: () => statusOf('b') }));
  await clock.advanceTo(1_000);
  expect(events).toEqual([
    { what: 'strike b of ac', atMs: 400 },
    { what: 'mend', atMs: 600 },
  ]);
  expect(await struck).toEqual([{ kind: 'test-fault', target: 'b', atMs: 300, healedAtMs: 510 }]);
});

test('faults follow each other in order', async () => {
  const clock = new ManualClock();
  const events: Event[] = [];
  const fault = recordingFault(clock, events);
  const schedule = [
    { fault, strikeAtMs: 100, lastsMs: 100 },
    { fault, strikeAtMs: 400, lastsMs: 100 },
  ];
  const struck = injectFaults(injectionOf(clock, { beganMs: 0, schedule, status: () => statusOf('a') }));
  await clock.advanceTo(1_000);
  expect((await struck).map(({ atMs, healedAtMs }) => [atMs, healedAtMs])).toEqual([
    [100, 210],
    [400, 510],
  ]);
});

test('without a leader, or with one that is down, a fault waits for the next one', async () => {
  const clock = new ManualClock();
  const events: Event[] = [];
  const schedule = [{ fault: recordingFault(clock, events), strikeAtMs: 100, lastsMs: 50 }];
  let status = statusOf(undefined);
  const struck = injectFaults(injectionOf(clock, { beganMs: 0, schedule, status: () => status }));
  await clock.advanceTo(200);
  status = statusOf('a', ['a']);
  await clock.advanceTo(300);
  expect(events).toEqual([]);
  status = statusOf('b', ['a']);
  await clock.advanceTo(400);
  expect(events[0]?.what).toBe('strike b of c');
  expect(await struck).toMatchObject([{ target: 'b', atMs: 305 }]);
});

test('what has no way back is never healed', async () => {
  const clock = new ManualClock();
  const fault = recordingFault(clock, [], { isMendable: false });
  const schedule = [{ fault, strikeAtMs: 100, lastsMs: 50 }];
  const struck = injectFaults(injectionOf(clock, { beganMs: 0, schedule, status: () => statusOf('a') }));
  await clock.advanceTo(200);
  expect(await struck).toMatchObject([{ healedAtMs: null }]);
});

test('when the load has ended nothing is mended any more, and nothing strikes', async () => {
  const clock = new ManualClock();
  const events: Event[] = [];
  const fault = recordingFault(clock, events);
  const ended = new AbortController();
  const schedule = [
    { fault, strikeAtMs: 100, lastsMs: 500 },
    { fault, strikeAtMs: 900, lastsMs: 50 },
  ];
  const status = () => statusOf('a');
  const struck = injectFaults(injectionOf(clock, { beganMs: 0, schedule, status, signal: ended.signal }));
  await clock.advanceTo(300);
  ended.abort();
  expect(await struck).toMatchObject([{ atMs: 100, healedAtMs: null }]);
  await clock.advanceTo(2_000);
  expect(events).toHaveLength(1);
});

test('a fault that cannot be carried out is an error', async () => {
  const clock = new ManualClock();
  const fault: Fault = { ...recordingFault(clock, []), strike: () => Promise.reject(new Error('no')) };
  const schedule = [{ fault, strikeAtMs: 0, lastsMs: 50 }];
  const struck = injectFaults(injectionOf(clock, { schedule, status: () => statusOf('a') }));
  const outcome = expect(struck).rejects.toThrow('no');
  await clock.advanceTo(100);
  await outcome;
});
