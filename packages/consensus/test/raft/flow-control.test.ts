/** Flow control: what a slow, a silent or a returning follower costs its leader. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { appendLimits, hasRoom } from '../../src/raft/flow-control.ts';
import { InFlight } from '../../src/raft/in-flight.ts';
import type { Append } from '../../src/raft/message.ts';
import { LoneServer } from './lone-server.ts';

describe('what is under way', () => {
  test('is the same as a list of appends, tried at random', () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant('add' as const),
        entries: fc.nat({ max: 3 }),
        bytes: fc.nat({ max: 9 }),
      }),
      fc.record({ type: fc.constant('forget' as const), back: fc.nat({ max: 8 }) }),
      fc.record({ type: fc.constant('clear' as const) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step), (capacity, steps) => {
        const inFlight = new InFlight(capacity);
        let twin: { last: number; bytes: number }[] = [];
        let last = 0;
        for (const one of steps) {
          if (one.type === 'add' && twin.length < capacity) {
            last += one.entries;
            inFlight.add(last as LogIndex, one.bytes);
            twin.push({ last, bytes: one.bytes });
          } else if (one.type === 'forget') {
            inFlight.forgetUpTo((last - one.back) as LogIndex);
            twin = twin.filter((append) => append.last > last - one.back);
          } else if (one.type === 'clear') {
            inFlight.clear();
            twin = [];
          }
          expect(inFlight.count).toBe(twin.length);
          expect(inFlight.bytes).toBe(twin.reduce((sum, { bytes }) => sum + bytes, 0));
        }
      }),
    );
  });

  test('never exceeds the window', () => {
    const inFlight = new InFlight(1);
    inFlight.add(1 as LogIndex, 1);
    expect(() => inFlight.add(2 as LogIndex, 1)).toThrow();
  });
});

describe('one more append may go out', () => {
  const limits = { appendBytesMax: 1 << 20, appendsInFlightMax: 64 };
  test.each([
    { state: 'probe', count: 0, bytes: 0, behind: false, may: true },
    { state: 'probe', count: 1, bytes: 0, behind: false, may: false },
    { state: 'replicate', count: 63, bytes: 0, behind: false, may: true },
    { state: 'replicate', count: 64, bytes: 0, behind: false, may: false },
    { state: 'replicate', count: 1, bytes: (8 << 20) - 1, behind: false, may: true },
    { state: 'replicate', count: 1, bytes: 8 << 20, behind: false, may: false },
    { state: 'replicate', count: 1, bytes: 128 << 10, behind: true, may: true },
    { state: 'replicate', count: 2, bytes: 2, behind: true, may: false },
    { state: 'stalled', count: 0, bytes: 0, behind: false, may: false },
    { state: 'snapshot', count: 0, bytes: 0, behind: false, may: false },
  ] as const)('$state, $count under way with $bytes bytes, far behind: $behind → $may', (given) => {
    const inFlight = { count: given.count, bytes: given.bytes } as InFlight;
    expect(hasRoom({ state: given.state, inFlight }, given.behind, limits)).toBe(given.may);
  });

  test('and holds less for one who lacks what is committed', () => {
    expect(appendLimits(false, limits)).toEqual({ bytesMax: 1 << 20, entriesMax: 4_096 });
    expect(appendLimits(true, limits)).toEqual({ bytesMax: 128 << 10, entriesMax: 1_024 });
    expect(appendLimits(true, { ...limits, appendBytesMax: 99 }).bytesMax).toBe(99);
  });
});

/**
 * A follower that takes `serviceMs` for every append and answers in order, behind a link that keeps everything.
 * Heartbeats are answered at once.
 */
class SlowFollower {
  readonly #leader: LoneServer;
  readonly #name: string;
  readonly #serviceMs: number;
  readonly #queue: Append[] = [];
  #freeAtMs = 0;
  #lastIndex: number;
  bytesMax = 0;

  constructor(leader: LoneServer, name: string, serviceMs: number) {
    this.#leader = leader;
    this.#name = name;
    this.#serviceMs = serviceMs;
    this.#lastIndex = leader.status.lastIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  takeIn(): void {
    for (const { to, message } of this.#leader.said) {
      if (to !== this.#name) continue;
      if (message.type === 'append') this.#queue.push(message);
      if (message.type === 'heartbeat')
        this.#answer({ type: 'heartbeat-reply', term: 1, round: message.round });
    }
    const bytes = this.#queue
      .flatMap(({ entries }) => entries)
      .reduce((sum, { payload }) => sum + payload.length, 0);
    this.bytesMax = Math.max(this.bytesMax, bytes);
  }

  work(): void {
    const { nowMs } = this.#leader;
    while (this.#queue.length > 0 && this.#freeAtMs <= nowMs) {
      const append = this.#queue.shift();
      if (append === undefined) return;
      // A question costs no writing.
      if (append.entries.length > 0) this.#freeAtMs = nowMs + this.#serviceMs;
      const matchIndex = append.prevIndex + append.entries.length;
      this.#lastIndex = Math.max(this.#lastIndex, matchIndex);
      this.#answer({ type: 'append-accepted', term: 1, matchIndex });
    }
  }

  #answer(message: Parameters<LoneServer['receive']>[1]): void {
    this.#leader.receive(this.#name, message);
  }
}

describe('a slow follower', () => {
  test.each([{ serviceMs: 40 }, { serviceMs: 150 }, { serviceMs: 700 }])(
    'that takes $serviceMs ms for each append has a bounded amount waiting, and gets everything in the end',
    ({ serviceMs }) => {
      const options = { appendBytesMax: 100, appendsInFlightMax: 8, uncommittedBytesMax: 10_000 };
      const leader = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'], options }).lead();
      for (const peer of leader.state.peers) leader.acknowledge(peer);
      leader.listen();
      const slow = new SlowFollower(leader, 'e', serviceMs);
      const run = (durationMs: number, proposes: boolean): void => {
        for (let passedMs = 0; passedMs < durationMs; passedMs += 10) {
          if (proposes) leader.propose('0123456789'.repeat(5));
          leader.pass(10);
          leader.sync();
          slow.takeIn();
          leader.listen();
          for (const peer of ['b', 'c', 'd']) {
            leader.acknowledge(peer);
            leader.receive(peer, { type: 'heartbeat-reply', term: 1, round: 1 });
          }
          slow.work();
        }
      };
      run(20_000, true);
      // The others are not held up, and the slow one has no more than a window before it.
      expect(leader.status.commitIndex).toBeGreaterThan(1_900);
      expect(slow.bytesMax).toBeLessThanOrEqual(8 * 100);
      run((2_000 / 2) * serviceMs + 2_000, false);
      expect(slow.lastIndex).toBe(leader.status.lastIndex);
    },
  );

  test('is asked, not flooded, while it does not answer at all', () => {
    const leader = new LoneServer({ options: { appendsInFlightMax: 2 } }).lead();
    for (const peer of leader.state.peers) leader.acknowledge(peer);
    leader.listen();
    for (let at = 0; at < 200; at++) {
      leader.propose('0123456789');
      leader.pass(10);
      leader.sync();
      leader.acknowledge('b');
      leader.receive('b', {
        type: 'heartbeat-reply',
        term: 1,
        round: leader.state.role.name === 'leader' ? leader.state.role.round : 0,
      });
    }
    const toC = leader.heard('append').filter(({ to }) => to === 'c');
    expect(toC.filter(({ message }) => message.entries.length > 0)).toHaveLength(2);
    expect(toC.length).toBeLessThan(50);
  });
});

test('a follower that comes back far behind gets small pieces, two at a time, while the others get on', () => {
  const leader = new LoneServer({
    options: { appendBytesMax: 1 << 20, uncommittedBytesMax: 1 << 24 },
  }).lead();
  for (const peer of leader.state.peers) leader.acknowledge(peer);
  for (let at = 0; at < 500; at++) {
    leader.propose('0123456789'.repeat(1_000));
    leader.sync();
    leader.acknowledge('b');
  }
  leader.listen();
  // Two of the appends of before arrived at c; now it is heard again.
  leader.acknowledge('c', 3);
  const pieces = (): number[] =>
    leader
      .heard('append')
      .filter(({ to }) => to === 'c')
      .map(({ message }) => message.entries.length);
  expect(pieces()).toEqual([]);
  leader.acknowledge('c', 5);
  expect(pieces()).toEqual([13, 13]);
  leader.listen().acknowledge('c', 18);
  expect(pieces()).toEqual([13]);
});
