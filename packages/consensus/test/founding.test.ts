/** An epoch is founded with its first leader: both protocols, the same sentences. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { multiPaxos } from '../src/multi-paxos/multi-paxos.ts';
import type { Effect, LogIndex, Protocol, ProtocolOptions, Reign } from '../src/protocol.ts';
import { raft } from '../src/raft/raft.ts';

const members = ['a', 'b', 'c'] as NodeId[];
const base = 41 as LogIndex;

const plainOptions = {
  members,
  electionTimeoutMs: [150, 300],
  heartbeatMs: 50,
  appendBytesMax: 1 << 20,
  appendsInFlightMax: 4,
  uncommittedBytesMax: 1 << 20,
  seed: 7,
} as const;

function enter(protocol: Protocol<unknown, unknown>, self: string, isAppointed: boolean) {
  const options: ProtocolOptions = {
    ...plainOptions,
    self: self as NodeId,
    isAppointed,
  };
  const hardState = protocol.foundingHardState({
    members,
    appointed: 'b' as NodeId,
    base,
    reign: 0 as Reign,
  });
  const recovered = { hardState, snapshot: { index: base, reign: 0 as Reign }, entries: [] };
  const state = protocol.start(options, recovered, 0);
  const step = (input: Parameters<typeof protocol.step>[1]): Effect<unknown>[] => {
    const effects: Effect<unknown>[] = [];
    protocol.step(state, input, 1, effects);
    return effects;
  };
  return { state, step, status: () => protocol.status(state) };
}

describe.each([
  ['raft', raft as Protocol<unknown, unknown>],
  ['multi-paxos', multiPaxos as Protocol<unknown, unknown>],
])('%s', (_, protocol) => {
  test('the appointed member leads from its first step on, without an election', () => {
    const { step, status } = enter(protocol, 'b', true);
    const effects = step({ type: 'tick' });
    expect(status()).toMatchObject({ role: 'leader', leader: 'b', commitIndex: base });
    expect(effects.map(({ type }) => type)).toContain('send');
  });

  test('its log goes on where the epoch before ended', () => {
    const { step } = enter(protocol, 'b', true);
    step({ type: 'tick' });
    const payload = new Uint8Array([1]);
    const effects = step({ type: 'propose', proposals: [{ timeMs: 1, payload }] });
    const accepted = effects.find(({ type }) => type === 'accepted');
    // Raft opens a term with a no-op of its own.
    const first = protocol.name === 'raft' ? base + 2 : base + 1;
    expect(accepted).toMatchObject({ first, last: first });
  });

  test('the others take what it sends, since they have promised it the first reign already', () => {
    const leader = enter(protocol, 'b', true);
    const follower = enter(protocol, 'c', false);
    const payload = new Uint8Array([1]);
    const effects = [
      ...leader.step({ type: 'tick' }),
      ...leader.step({ type: 'propose', proposals: [{ timeMs: 1, payload }] }),
    ];
    for (const effect of effects) {
      if (effect.type !== 'send' || effect.to !== 'c') continue;
      follower.step({ type: 'receive', from: 'b' as NodeId, message: effect.message });
    }
    expect(follower.status()).toMatchObject({ role: 'follower', leader: 'b' });
    expect(follower.status().lastIndex).toBeGreaterThan(base);
  });

  test('what it is given to propose goes out at once: where the logs meet is known to all', () => {
    const { step } = enter(protocol, 'b', true);
    step({ type: 'tick' });
    for (const body of [1, 2]) {
      const payload = new Uint8Array([body]);
      const effects = step({ type: 'propose', proposals: [{ timeMs: 1, payload }] });
      const receivers = effects.flatMap((effect) => (effect.type === 'send' ? [effect.to] : []));
      expect(receivers).toEqual(['a', 'c']);
    }
  });

  test('a restarted member does not lead by appointment: it may have sent what it forgot', () => {
    const { step, status } = enter(protocol, 'b', false);
    step({ type: 'tick' });
    expect(status().role).toBe('follower');
    expect(
      step({ type: 'propose', proposals: [{ timeMs: 1, payload: new Uint8Array([1]) }] }),
    ).toContainEqual({
      type: 'refused',
      reason: 'not-leader',
    });
  });

  test('a member that comes later knows the reign it comes in, and has no vote cast in it', () => {
    const reign = (64 + 2) as Reign;
    const hardState = protocol.foundingHardState({ members, appointed: 'b' as NodeId, base, reign });
    const recovered = { hardState, snapshot: { index: base, reign }, entries: [] };
    const options = { ...plainOptions, self: 'a' as NodeId };
    const state = protocol.start(options, recovered, 0);
    expect(protocol.inspect(state).promisedReign).toBe(reign);
  });

  test('committed entries can be read page by page, and not from below the base', () => {
    const { state } = enter(protocol, 'b', true);
    const limits = { bytesMax: 100, entriesMax: 10 };
    expect(protocol.committedFrom(state, base, limits)).toBeUndefined();
    expect(protocol.committedFrom(state, (base + 1) as LogIndex, limits)).toEqual([]);
  });
});
