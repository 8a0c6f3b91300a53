/**
 * Proposals on their way into the log: each asking has one outcome, none is appended twice by one leader, and what
 * cannot be taken for a moment is held for that moment.
 */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { LogIndex, Proposal, Reign } from '../../src/protocol.ts';
import { encodeBatch, encodeBegun, encodeClose, encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { Proposals } from '../../src/replica/proposals.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defaultSessionLimits } from '../../src/replica/session-table.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';
import { recordingClient } from './recording-client.ts';

const machine = defineStateMachine<number, 'sum', number>({ version: 1 }, () => {
  let sum = 0;
  return { apply: (add) => (sum += add), query: () => sum, snapshot: () => sum, restore: () => undefined };
});
const batch = (number: number, acknowledgedBelow = 1): Uint8Array =>
  encodeBatch({ session: 1, batch: number, acknowledgedBelow }, [1]);
const stop = encodeStop({ ...firstEpoch, number: 2, appointed: 'a' as NodeId }, 'a nonce');

/** Replica a, which leads and takes everything unless a test says otherwise. */
function setUp() {
  const state = new ReplicatedState(machine, firstEpoch, { ...defaultSessionLimits, windowBatchesMax: 4 });
  const log: Uint8Array[] = [];
  const is = { leading: true, holding: false, behind: false, hint: undefined as NodeId | undefined };
  let stopsRefused = 0;
  const proposals = new Proposals({
    node: 'a' as NodeId,
    state,
    wallMs: () => 5,
    leads: () => is.leading,
    leaderHint: () => is.hint,
    isHolding: () => is.holding,
    mayPropose: () => !is.behind,
    propose: ({ payload }: Proposal) => void log.push(payload),
    stopRefused: () => {
      stopsRefused += 1;
    },
    heldBytesMax: 100,
  });
  const client = recordingClient();
  let index = 0;
  /** What stands in the log is chosen. */
  const apply = (payload: Uint8Array): void => {
    index += 1;
    const entry = { index: index as LogIndex, reign: 1 as Reign, timeMs: 5, payload };
    proposals.applied(state.apply(entry), entry.index);
  };
  apply(encodeOpen(undefined, 'n'));
  /** What was proposed last stands in the log, `ahead` places behind what is applied. */
  const accept = (ahead = 1): void => proposals.accepted((index + ahead) as LogIndex);
  const receive = (request: number, payload: Uint8Array): void =>
    proposals.receive(client.asks(request), payload);
  return { proposals, log, is, client, apply, accept, receive, stopsRefused: () => stopsRefused };
}

describe('a leader', () => {
  test('whose state is too far behind appends nothing new, and says to come again', () => {
    const { log, is, client, apply, accept, receive } = setUp();
    receive(1, batch(1));
    accept();
    is.behind = true;
    receive(2, batch(2));
    // In its log already: whoever asks again is answered when it is applied.
    receive(3, batch(1));
    expect(client.told()).toEqual(['2: refused ERR_OVERLOADED']);
    apply(batch(1));
    expect(client.told()).toEqual(['3: results']);
    // What is applied already is told, however far behind the rest is.
    receive(4, batch(1));
    expect(client.told()).toEqual(['4: results']);
    is.behind = false;
    receive(5, batch(2));
    expect(log).toEqual([batch(1), batch(2)]);
  });

  test('does not take the refusal of a copy that an earlier leader has appended for that of its own', () => {
    const { client, apply, accept, receive } = setUp();
    receive(1, batch(7));
    // The former leader had appended it too early, and after it what makes room for it.
    apply(batch(7));
    accept(3);
    apply(batch(7));
    expect(client.told()).toEqual([]);
    apply(batch(4, 4));
    apply(batch(7));
    expect(client.told()).toEqual(['1: results']);
  });

  test('tells whoever asks too far ahead of its other batches to come again', () => {
    const { client, apply, accept, receive } = setUp();
    receive(1, batch(7));
    accept();
    apply(batch(7));
    expect(client.told()).toEqual(['1: refused ERR_OVERLOADED']);
  });

  test('answers a batch when it is applied, and not before', () => {
    const { log, client, apply, accept, receive } = setUp();
    receive(1, batch(1));
    accept();
    expect(log).toEqual([batch(1)]);
    expect(client.told()).toEqual([]);
    apply(batch(1));
    expect(client.told()).toEqual(['1: results']);
  });

  test('answers the close of a session when it is applied, and refuses what comes after it', () => {
    const { client, apply, accept, receive } = setUp();
    receive(1, encodeClose(1));
    accept();
    expect(client.told()).toEqual([]);
    apply(encodeClose(1));
    expect(client.told()).toEqual(['1: closed']);
    receive(2, batch(1));
    accept();
    apply(batch(1));
    expect(client.told()).toEqual(['2: rejected ERR_SESSION_EXPIRED']);
  });

  test('does not append what it has in its log already, and answers the newest asking', () => {
    const { log, client, apply, accept, receive } = setUp();
    receive(1, batch(1));
    accept();
    receive(2, batch(1));
    expect(log).toHaveLength(1);
    apply(batch(1));
    expect(client.told()).toEqual(['2: results']);
  });

  test('answers what was applied before from the table of sessions', () => {
    const { log, client, apply, receive } = setUp();
    apply(batch(1));
    receive(1, batch(1));
    expect(client.told()).toEqual(['1: results']);
    expect(log).toEqual([]);
  });

  test('does not give a name back to a holder that another one has followed', () => {
    const { client, apply, accept, receive } = setUp();
    apply(encodeOpen('worker', 'former'));
    apply(encodeOpen('worker', 'present'));
    receive(1, encodeOpen('worker', 'former'));
    accept();
    apply(encodeOpen('worker', 'former'));
    expect(client.told()).toEqual(['1: rejected ERR_SESSION_EXPIRED']);
  });

  test.each([
    ['what is no payload', Uint8Array.of(9, 9)],
    ['what ends an epoch', stop],
    ['what begins one', encodeBegun()],
  ])('takes from clients batches and openings, and not %s', (_, payload) => {
    const { log, client, receive } = setUp();
    receive(1, payload);
    expect(client.told()).toEqual(['1: rejected ERR_FRAME_INVALID']);
    expect(log).toEqual([]);
  });

  test('that is deposed does not know what becomes of what it has appended', () => {
    const { proposals, is, client, apply, accept, receive } = setUp();
    receive(1, batch(1));
    accept();
    is.hint = 'b' as NodeId;
    proposals.orphan();
    expect(client.told()).toEqual(['1: refused ERR_OUTCOME_UNKNOWN, ask b']);
    apply(batch(1));
    expect(client.told()).toEqual([]);
  });
});

test.each([
  ['overloaded' as const, 'refused ERR_OVERLOADED'],
  ['not-leader' as const, 'refused ERR_NOT_LEADER'],
])('what the protocol refuses as %s is refused, and may be asked again', (reason, told) => {
  const { proposals, log, client, receive } = setUp();
  receive(1, batch(1));
  proposals.refused(reason);
  expect(client.told()).toEqual([`1: ${told}`]);
  receive(2, batch(1));
  expect(log).toHaveLength(2);
});

describe('a moment in which nobody can take proposals', () => {
  test('is waited for, and then they are proposed in their order', () => {
    const { proposals, log, is, client, receive } = setUp();
    is.holding = true;
    receive(1, batch(1));
    receive(2, batch(2));
    expect(log).toEqual([]);
    is.holding = false;
    proposals.release();
    expect(log).toEqual([batch(1), batch(2)]);
    expect(client.told()).toEqual([]);
  });

  test('begins for what the protocol refuses while it hands over', () => {
    const { proposals, log, client, receive } = setUp();
    receive(1, batch(1));
    proposals.refused('handing-over');
    expect(client.told()).toEqual([]);
    proposals.release();
    expect(log).toEqual([batch(1), batch(1)]);
  });

  test('that leaves another in the lead sends them there', () => {
    const { proposals, is, client, receive } = setUp();
    is.holding = true;
    receive(1, batch(1));
    is.holding = false;
    is.leading = false;
    is.hint = 'b' as NodeId;
    proposals.release();
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask b']);
  });

  test('holds so many bytes and no more, and counts anew afterwards', () => {
    const { proposals, is, client, receive } = setUp();
    is.holding = true;
    const fitting = Math.floor(100 / batch(1).byteLength);
    for (let number = 1; number <= fitting + 1; number++) receive(number, batch(number));
    expect(client.told()).toEqual([`${fitting + 1}: refused ERR_OVERLOADED`]);
    is.holding = false;
    proposals.release();
    is.holding = true;
    receive(50, batch(50));
    expect(client.told()).toEqual([]);
  });
});

describe('the command that ends the epoch', () => {
  test('is answered with the epoch that it has begun', () => {
    const { proposals, log, client, apply, accept } = setUp();
    proposals.proposeStop(client.asks(1), 'a nonce', stop);
    accept();
    expect(log).toEqual([stop]);
    apply(stop);
    expect(client.told()).toEqual(['1: reconfigured to epoch 2']);
  });

  test.each(['handing-over', 'overloaded'] as const)(
    'is never held or refused when the protocol does not take it (%s): whoever proposed it tries again',
    (reason) => {
      const { proposals, log, is, client, stopsRefused } = setUp();
      proposals.proposeStop(client.asks(1), 'a nonce', stop);
      is.holding = true;
      proposals.refused(reason);
      expect(stopsRefused()).toBe(1);
      expect(client.told()).toEqual([]);
      is.holding = false;
      proposals.release();
      expect(log).toHaveLength(1);
    },
  );

  test('is refused by whoever leads no more, and may be asked for again', () => {
    const { proposals, client, stopsRefused } = setUp();
    proposals.proposeStop(client.asks(1), 'a nonce', stop);
    proposals.refused('not-leader');
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER']);
    expect(stopsRefused()).toBe(0);
  });
});

test("a word of the replica's own has nobody to answer, and keeps its place among the others", () => {
  const { proposals, log, client, accept, receive } = setUp();
  proposals.proposeOwn(encodeBegun());
  receive(1, batch(1));
  proposals.refused('overloaded');
  accept();
  expect(log).toEqual([encodeBegun(), batch(1)]);
  expect(client.told()).toEqual([]);
});
