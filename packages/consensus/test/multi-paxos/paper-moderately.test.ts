/**
 * The invariants of Paxos Made Moderately Complex as we adopt them, one a test. Those that speak of all
 * acceptors at all times are held against what whole clusters did under chaos; the others against one member.
 *
 * R5 ties a slot to the configuration that it is decided in; here members change only with the epoch, so
 * within one there is nothing to hold. What is left of its WINDOW is the bound on bytes that are not chosen.
 */
import type { NodeId } from '@quorate/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { runChaos } from '../../src/conformance/chaos.ts';
import type { ProtocolCluster } from '../../src/conformance/cluster.ts';
import { type Ballot, noSlot, proposerOf } from '../../src/multi-paxos/ballot.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { MultiPaxosState } from '../../src/multi-paxos/state.ts';
import type { Effect, Entry } from '../../src/protocol.ts';
import {
  accept,
  accepted,
  ballot,
  entry,
  heartbeat,
  Member,
  prepare,
  promise,
  slot,
  textOf,
} from './member.ts';

type Cluster = ProtocolCluster<MultiPaxosState, MultiPaxosMessage>;

/** One thing that one node did in one seed. */
interface Deed {
  readonly node: NodeId;
  /** Of the members, which life of the node this was in. */
  readonly incarnation: number;
  readonly effect: Effect<MultiPaxosMessage>;
  readonly promised: Ballot;
  readonly leads: boolean;
  readonly commitIndex: number;
}

interface History {
  readonly deeds: Deed[];
  readonly cluster: Cluster;
}

const histories: History[] = [];

beforeAll(() => {
  for (let seed = 501; seed <= 524; seed++) {
    const deeds: Deed[] = [];
    let seen: Cluster | undefined;
    runChaos({
      protocol: multiPaxos,
      nodes: seed % 2 === 0 ? 3 : 5,
      seed,
      chaosMs: 2_500,
      hasTransfers: seed % 3 === 0,
      observe: (cluster, node, effect) => {
        seen = cluster;
        const { promisedReign: promised, role, commitIndex } = multiPaxos.inspect(cluster.stateOf(node));
        const { incarnation } = cluster.node(node);
        deeds.push({ node, incarnation, effect, promised, leads: role === 'leader', commitIndex });
      },
    });
    if (seen !== undefined) histories.push({ deeds, cluster: seen });
  }
});

/** Every value that `deed` sends as an accept: a commander at work. */
function commanded({ effect }: Deed): readonly Entry[] {
  return effect.type === 'send' && effect.message.type === 'accept' ? effect.message.entries : [];
}

function accepts({ effect }: Deed): readonly Entry[] {
  return effect.type === 'persist' ? effect.entries : [];
}

/** How often `check` looked at something; a test that looked at nothing has shown nothing. */
function forAll<T>(of: (deed: Deed) => readonly T[], check: (what: T, deed: Deed, history: History) => void) {
  let looked = 0;
  for (const history of histories) {
    for (const deed of history.deeds) {
      for (const what of of(deed)) {
        check(what, deed, history);
        looked += 1;
      }
    }
  }
  expect(looked).toBeGreaterThan(1_000);
}

function contentOf({ timeMs, payload }: Entry): string {
  return `${timeMs}:${Buffer.from(payload).toString('base64')}`;
}

describe('acceptors', () => {
  test('[PaxosModerately, A1] an acceptor can only adopt strictly increasing ballot numbers', () => {
    const last = new Map<string, Ballot>();
    forAll(
      (deed) => [deed.promised],
      (promised, { node, incarnation }, { cluster }) => {
        const key = `${histories.findIndex((one) => one.cluster === cluster)}/${node}/${incarnation}`;
        expect(promised).toBeGreaterThanOrEqual(last.get(key) ?? 0);
        last.set(key, promised);
      },
    );
  });

  test('[PaxosModerately, A1] nor does it go back with a restart', () => {
    const member = new Member();
    member.receive('c', prepare(ballot(7, 2)));
    member.sync();
    member.restart();
    member.receive('a', heartbeat(ballot(6, 0)));
    expect(member.view.promisedReign).toBe(ballot(7, 2));
  });

  test('[PaxosModerately, A2] an acceptor can only accept a pvalue of the ballot that it has adopted', () => {
    forAll(accepts, ({ reign }, { promised }) => {
      expect(reign).toBeLessThanOrEqual(promised);
    });
    const member = new Member();
    member.receive('c', prepare(ballot(7, 2)));
    member.sync();
    for (const [from, b] of [
      ['a', ballot(6, 0)],
      ['c', ballot(7, 2)],
      ['a', ballot(8, 0)],
    ] as const) {
      member.receive(from, accept(b, [entry(1, b, `${b}`)]));
      const [held] = member.view.entriesAbove(noSlot);
      if (held !== undefined) expect(held.reign).toBe(member.view.promisedReign);
    }
    expect(member.view.entriesAbove(noSlot).map(({ reign }) => reign)).toEqual([ballot(8, 0)]);
  });

  test('[PaxosModerately, A3 and §4.1] an acceptor removes no pvalue but for a later one of its slot', () => {
    const member = new Member();
    const [low, high] = [ballot(5, 0), ballot(7, 2)];
    member.receive('a', accept(low, [entry(1, low, 'x'), entry(2, low, 'y'), entry(5, low, 'z')]));
    member.pass(200);
    member.receive('c', accept(high, [entry(2, high, 'w')]));
    member.receive('a', accept(low, [entry(1, low, 'late')]));
    member.sync();
    member.restart();
    expect(member.view.entriesAbove(noSlot).map(textOf)).toEqual(['x', 'w', 'z']);
  });

  test('[PaxosModerately, §4.2] what it forgets is chosen, and a snapshot holds it', () => {
    const member = new Member();
    const b = ballot(5, 0);
    member.receive('a', accept(b, [entry(1, b, 'x'), entry(2, b, 'y')], 1));
    expect(() => member.step({ type: 'compacted', index: slot(2) })).toThrow('only what is chosen');
    const careful = new Member();
    careful.receive('a', accept(b, [entry(1, b, 'x'), entry(2, b, 'y')], 1));
    careful.step({ type: 'compacted', index: slot(1) });
    expect(careful.view.entriesAbove(noSlot).map(textOf)).toEqual(['y']);
  });

  test('[PaxosModerately, A4] two acceptors that accepted the same slot and ballot accepted the same command', () => {
    for (const history of histories) {
      const values = new Map<string, string>();
      for (const deed of history.deeds) {
        for (const one of accepts(deed)) {
          const key = `${one.index}@${one.reign}`;
          expect(values.get(key) ?? contentOf(one)).toBe(contentOf(one));
          values.set(key, contentOf(one));
        }
      }
      expect(values.size).toBeGreaterThan(5);
    }
  });

  test('[PaxosModerately, A5] what a quorum accepted is all that is accepted under any higher ballot', () => {
    forAll(accepts, (one, _, { cluster }) => {
      const chosen = cluster.safety.chosen[one.index - 1];
      // The ballot at which it was first seen chosen; a lower one may have chosen it, a higher one none other.
      if (chosen !== undefined && one.reign > chosen.reign) expect(contentOf(one)).toBe(contentOf(chosen));
    });
  });
});

describe('commanders and scouts', () => {
  test('[PaxosModerately, C1] for any ballot and slot at most one command is proposed, by the owner of the ballot', () => {
    for (const history of histories) {
      const values = new Map<string, string>();
      for (const deed of history.deeds) {
        for (const one of commanded(deed)) {
          const key = `${one.index}@${one.reign}`;
          expect(values.get(key) ?? contentOf(one)).toBe(contentOf(one));
          values.set(key, contentOf(one));
          expect(history.cluster.members[proposerOf(one.reign)]).toBe(deed.node);
        }
      }
    }
  });

  test('[PaxosModerately, C2] once a quorum accepted, no commander of a higher ballot proposes anything else', () => {
    forAll(commanded, (one, _, { cluster }) => {
      const chosen = cluster.safety.chosen[one.index - 1];
      if (chosen !== undefined && one.reign > chosen.reign) expect(contentOf(one)).toBe(contentOf(chosen));
    });
  });

  test('[PaxosModerately, §2.3] a commander whose acceptor answers a higher ballot is preempted', () => {
    const member = new Member();
    const mine = member.leads();
    member.propose('x');
    member.receive('a', { type: 'nack', ballot: mine, promised: ballot(900, 0) });
    expect(member.status.role).toBe('follower');
  });

  test('[PaxosModerately, §2.3] a scout whose acceptor answers a higher ballot is preempted', () => {
    const member = new Member();
    const mine = member.prepares();
    member.receive('a', { type: 'nack', ballot: mine, promised: ballot(900, 0) });
    expect(member.status.role).toBe('follower');
    for (const peer of ['a', 'c']) member.receive(peer, promise(mine));
    expect(member.status.role).toBe('follower');
  });

  test('[PaxosModerately, §2.3] a leader proposes of each slot what pmax says, and its own only where that says nothing', () => {
    const member = new Member();
    const [b1, b2] = [ballot(1, 0), ballot(2, 2)];
    member.leads({ a: [entry(1, b1, 'old'), entry(3, b2, 'new')], c: [entry(1, b2, 'newer')] }, b2);
    // The promise of c came after a quorum had made it the leader: what a reported is what counts.
    const [message] = member.take('accept');
    expect(message?.entries.map(textOf)).toEqual(['old', '-', 'new']);
    member.propose('mine');
    expect(member.take('accept')[0]?.entries.map(({ index }) => index)).toEqual([4]);
  });
});

describe('replicas', () => {
  function decisions({ effect }: Deed): readonly Entry[] {
    return effect.type === 'committed' ? effect.entries : [];
  }

  test('[PaxosModerately, R1] there are no two different commands decided for the same slot', () => {
    forAll(decisions, (one, _, { cluster }) => {
      const chosen = cluster.safety.chosen[one.index - 1];
      if (chosen !== undefined) expect(contentOf(one)).toBe(contentOf(chosen));
    });
  });

  test('[PaxosModerately, R2] all commands up to slot_out are decided: nothing is executed above a gap', () => {
    for (const { deeds } of histories) {
      const last = new Map<string, number>();
      for (const deed of deeds) {
        const key = `${deed.node}/${deed.incarnation}`;
        if (deed.effect.type === 'install') last.set(key, deed.effect.snapshot.index);
        for (const one of decisions(deed)) {
          const before = last.get(key);
          if (before !== undefined) expect(one.index).toBe(before + 1);
          last.set(key, one.index);
        }
      }
    }
  });

  test('[PaxosModerately, R3] the state is what all commands up to slot_out give, in their order', () => {
    for (const { cluster } of histories) {
      for (const member of cluster.members) {
        const { committed } = cluster.node(member);
        expect(committed.map(contentOf)).toEqual(
          cluster.safety.chosen.slice(0, committed.length).map(contentOf),
        );
      }
    }
  });

  test('[PaxosModerately, R4] slot_out cannot decrease over time', () => {
    const last = new Map<string, number>();
    forAll(
      (deed) => [deed.commitIndex],
      (commitIndex, { node, incarnation }, { cluster }) => {
        const key = `${histories.findIndex((one) => one.cluster === cluster)}/${node}/${incarnation}`;
        expect(commitIndex).toBeGreaterThanOrEqual(last.get(key) ?? 0);
        last.set(key, commitIndex);
      },
    );
  });

  test('[PaxosModerately, §2.1] a proposal that lost its slot is not decided elsewhere by itself, and no command is decided twice', () => {
    for (const { cluster } of histories) {
      const texts = cluster.safety.chosen.filter(({ payload }) => payload.length > 0).map(contentOf);
      expect(new Set(texts).size).toBe(texts.length);
    }
  });
});

describe('when it works', () => {
  test('[PaxosModerately, §3] a preempted leader waits, and longer than the one that preempted it needs', () => {
    const member = new Member();
    member.leads();
    const above = ballot(900, 0);
    member.receive('a', heartbeat(above));
    member.sync();
    member.pass(140);
    expect(member.take('canvass')).toEqual([]);
    // As long as that one is heard it goes on waiting.
    for (let at = 0; at < 20; at++) {
      member.receive('a', heartbeat(above, 0, at + 2));
      member.pass(50);
    }
    expect(member.take('canvass')).toEqual([]);
    expect(member.prepares()).toBeGreaterThan(above);
  });

  test('[PaxosModerately, §4.3] what acceptors must not forget is on disk before they answer', () => {
    forAll(
      ({ effect }) => (effect.type === 'send' ? [effect.message] : []),
      (message, { promised }) => {
        // Sent without waiting for a write, a promise can only repeat what was durable.
        if (message.type === 'promise') expect(message.ballot).toBeLessThanOrEqual(promised);
      },
    );
    const member = new Member();
    member.receive('c', prepare(ballot(7, 2)));
    expect(member.take('promise')).toEqual([]);
    member.sync();
    expect(member.take('promise')).toHaveLength(1);
  });

  test('[PaxosModerately, §4.5] a read needs no slot: it is served once a quorum has confirmed the leader', () => {
    const member = new Member();
    const mine = member.leads();
    member.propose('x');
    member.sync();
    member.receive('a', accepted(mine, 1));
    member.forgetSent();
    expect(member.step({ type: 'read', read: 1 }).map(({ type }) => type)).toEqual(['send', 'send']);
    const [{ round } = { round: 0 }] = member.take('heartbeat');
    expect(
      member.receive('c', { type: 'heartbeat-reply', ballot: mine, round, chosenUpTo: slot(0) }),
    ).toContainEqual({ type: 'read-ready', read: 1, index: 1 });
  });
});
