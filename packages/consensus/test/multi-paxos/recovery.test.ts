/** What a member takes from its disk, and what it refuses to believe. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { noBallot, noSlot } from '../../src/multi-paxos/ballot.ts';
import { encodeHardState } from '../../src/multi-paxos/hard-state.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { RecoveredState } from '../../src/protocol.ts';
import { ballot, entry, Member, promise, slot } from './member.ts';

const options = {
  self: 'a' as NodeId,
  members: ['a', 'b', 'c'] as NodeId[],
  electionTimeoutMs: [150, 300],
  heartbeatMs: 50,
  appendBytesMax: 1_000,
  appendsInFlightMax: 4,
  uncommittedBytesMax: 1_000,
  seed: 1,
} as const;

const b1 = ballot(1, 0);
const noSnapshot = { index: noSlot, reign: noBallot };

function startFrom(recovered: Partial<RecoveredState>) {
  return multiPaxos.start(
    options,
    { hardState: undefined, snapshot: noSnapshot, entries: [], ...recovered },
    0,
  );
}

describe('recovery', () => {
  test('keeps values above a gap, and tells what was known to be chosen', () => {
    const state = startFrom({
      hardState: encodeHardState({ promised: b1, chosenUpTo: slot(4) }),
      snapshot: { index: slot(2), reign: b1 },
      entries: [3, 4, 7].map((index) => entry(index, b1, `v${index}`)),
    });
    const effects: Parameters<typeof multiPaxos.step>[3] = [];
    multiPaxos.step(state, { type: 'tick' }, 1, effects);
    expect(effects).toMatchObject([{ type: 'committed', entries: [{ index: 3 }, { index: 4 }] }]);
    expect(multiPaxos.inspect(state)).toMatchObject({
      commitIndex: 4,
      lastIndex: 7,
      snapshotIndex: 2,
      promisedReign: b1,
    });
  });

  test.each([
    {
      story: 'a value accepted above the promise',
      recovered: {
        hardState: encodeHardState({ promised: b1, chosenUpTo: noSlot }),
        entries: [entry(1, ballot(2, 0), 'x')],
      },
    },
    { story: 'a value without any promise', recovered: { entries: [entry(1, b1, 'x')] } },
    {
      story: 'a hole in what was chosen',
      recovered: {
        hardState: encodeHardState({ promised: b1, chosenUpTo: slot(3) }),
        entries: [entry(1, b1, 'x'), entry(3, b1, 'z')],
      },
    },
    { story: 'a hard state of another protocol', recovered: { hardState: new Uint8Array([9, 9, 9]) } },
  ])('refuses $story as ERR_LOG_CORRUPT', ({ recovered }) => {
    expect(() => startFrom(recovered)).toThrow(expect.objectContaining({ code: 'ERR_LOG_CORRUPT' }));
  });
});

describe('phase 1', () => {
  test('takes a report that was under way while another one told of chosen slots', () => {
    const member = new Member('d', ['a', 'b', 'c', 'd', 'e']);
    const own = member.prepares();
    const first = { fromSlot: slot(1), accepted: [entry(1, b1, 'v1')], chosenUpTo: slot(1) };
    member.receive('a', promise(own, first));
    expect(member.status.role).toBe('candidate');
    member.receive('b', promise(own, first));
    expect(member.status.role).toBe('leader');
  });

  test('takes no page of a report twice, and none that leaves a hole', () => {
    const member = new Member('d', ['a', 'b', 'c', 'd', 'e']);
    const own = member.prepares();
    const page = { ...promise(own, { accepted: [entry(1, b1, 'v1')] }), nextPage: slot(2) };
    member.receive('a', page);
    member.forgetSent();
    member.receive('a', page);
    expect(member.take('prepare')).toEqual([]);
    for (const from of ['b', 'c', 'e']) member.receive(from, promise(own, { fromSlot: slot(3) }));
    expect(member.status.role).toBe('candidate');
  });
});
