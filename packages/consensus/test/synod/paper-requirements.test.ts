/**
 * The requirements of consensus, and the chain by which the paper strengthens the second of them until an algorithm
 * satisfies it, each sentence a test: it holds whatever happens, and a history in which it does not is told from one
 * in which it does. [PaxosSimple §2.1, §2.2], [PaxosParliament §2.1]
 */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Proposal } from '../../src/synod/index.ts';
import { type Invariant, invariants } from './invariants.ts';
import { happen, schedule } from './schedule.ts';
import { World } from './world.ts';

type History = Parameters<Invariant>[0];
type Member = History['members'][number];

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];
const proposal = (round: number, value: string, proposer = a): Proposal<string> => ({
  ballot: { round, proposer },
  value,
});
const by = (acceptors: readonly NodeId[], accepted: Proposal<string>): History['accepted'] =>
  acceptors.map((acceptor) => ({ acceptor, proposal: accepted }));

/** A history of three processes. What is accepted was issued, and asked for, unless told otherwise. */
function history(of: Partial<History> & { readonly learned?: readonly string[] }): History {
  const { accepted = [], learned = [] } = of;
  const issued = of.issued ?? accepted.map((acceptance) => acceptance.proposal);
  const members = [a, b, c].map((id) => ({ id, learned: id === a ? [...learned] : [] }) as unknown as Member);
  const asked = new Set(issued.map(({ value }) => value));
  return { ids: [a, b, c], asked, issued, accepted, members, ...of };
}

const x = proposal(1, 'x');
const y = proposal(2, 'y', b);

interface Sentence {
  readonly key: string;
  /** As {@link invariants} names it. */
  readonly sentence: keyof typeof invariants;
  /** In which it does not hold. */
  readonly broken: History;
}

const sentences: readonly Sentence[] = [
  {
    key: '[PaxosSimple §2.1]',
    sentence: 'Only a value that has been proposed may be chosen',
    broken: history({ accepted: by([a, b], x), asked: new Set(['y']) }),
  },
  {
    key: '[PaxosSimple §2.1]',
    sentence: 'Only a single value is chosen',
    broken: history({ accepted: [...by([a, b], x), ...by([b, c], y)] }),
  },
  {
    key: '[PaxosSimple §2.1]',
    sentence: 'A process never learns that a value has been chosen unless it actually has been',
    broken: history({ accepted: by([a], x), learned: ['x'] }),
  },
  {
    key: '[PaxosParliament §2.1]',
    sentence: 'B1: every ballot has a number of its own',
    broken: history({ issued: [x, proposal(1, 'other')] }),
  },
  {
    key: '[PaxosSimple §2.2]',
    sentence: 'P2: every higher-numbered proposal that is chosen has the chosen value',
    broken: history({ accepted: [...by([a, b], x), ...by([b, c], y)] }),
  },
  {
    key: '[PaxosSimple §2.2]',
    sentence: 'P2a: every higher-numbered proposal accepted by any acceptor has the chosen value',
    broken: history({ accepted: [...by([a, b], x), ...by([c], y)] }),
  },
  {
    key: '[PaxosSimple §2.2]',
    sentence: 'P2b: every higher-numbered proposal issued by any proposer has the chosen value',
    broken: history({ accepted: by([a, b], x), issued: [x, y] }),
  },
  {
    key: '[PaxosSimple §2.2]',
    sentence:
      'P2c: a majority has accepted nothing lower, or the value is that of the highest that it has accepted',
    // Every majority has one who accepted x, and nobody a proposal of y.
    broken: history({ accepted: by([a, b], x), issued: [x, y] }),
  },
  {
    key: '[PaxosSimple §2.2]',
    sentence: 'The last proposal that an acceptor has accepted is the highest-numbered',
    broken: history({ accepted: [...by([a], y), ...by([a], x)] }),
  },
];

test('each sentence that the schedules are checked for stands here', () => {
  expect(new Set(sentences.map(({ sentence }) => sentence))).toEqual(new Set(Object.keys(invariants)));
});

describe('agents may fail by stopping and may restart, messages can be duplicated and can be lost [PaxosSimple §2.1]', () => {
  test.each(sentences.map((one) => [one.key, one.sentence, one.broken] as const))(
    '%s %s',
    (_, sentence, broken) => {
      const invariant = invariants[sentence] as Invariant;
      fc.assert(
        fc.property(fc.constantFrom(1, 2, 3, 4, 5), schedule, (size, events) => {
          const world = new World(['a', 'b', 'c', 'd', 'e'].slice(0, size));
          for (const event of events) {
            happen(world, event);
            expect(invariant(world)).toBeUndefined();
          }
        }),
        { numRuns: 60 },
      );
      expect(invariant(broken)).toBeDefined();
      expect(invariant(history({ accepted: by([a, b, c], x), learned: ['x'] }))).toBeUndefined();
    },
  );
});

test('[PaxosSimple §2.2] P2c implies P2b, P2b implies P2a, P2a implies P2, and P2 that a single value is chosen', () => {
  // Of random histories, most of which no algorithm would make: the chain holds of all of them.
  const anyProposal = fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('x', 'y'))
    .map(([round, value]) => proposal(round, value));
  const anyAccepted = fc.array(
    fc.tuple(fc.constantFrom(a, b, c), anyProposal).map(([acceptor, accepted]) => by([acceptor], accepted)),
    { maxLength: 8 },
  );
  const holds = (name: string, of: History): boolean =>
    Object.entries(invariants).find(([sentence]) => sentence.startsWith(name))?.[1](of) === undefined;
  const kept = { P2c: 0, P2b: 0, P2a: 0, P2: 0 };
  fc.assert(
    fc.property(anyAccepted, (all) => {
      const of = history({ accepted: all.flat() });
      // What the paper takes for granted: a number stands for one proposal, and acceptors go upwards (P1).
      if (!holds('B1', of) || !holds('The last proposal', of)) return;
      const chain = [
        ['P2c', 'P2b:'],
        ['P2b', 'P2a:'],
        ['P2a', 'P2:'],
        ['P2', 'Only a single'],
      ] as const;
      for (const [stronger, weaker] of chain) {
        if (!holds(`${stronger}:`, of)) continue;
        kept[stronger] += 1;
        expect(holds(weaker, of), `${stronger} and not ${weaker}`).toBe(true);
      }
    }),
    { numRuns: 20_000 },
  );
  expect(Math.min(...Object.values(kept))).toBeGreaterThan(100);
});
