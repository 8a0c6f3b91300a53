/** Each safety property goes red on the story that breaks it, and stays green on the one that nearly does. */
import type { Entry, LogIndex, Reign, Role } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { checkInvariants, InvariantMemory, type NodeView } from '../src/invariants/index.ts';

interface Sketch {
  readonly life?: number;
  readonly role?: Role;
  readonly reign?: number;
  readonly promised?: number;
  readonly vote?: string;
  readonly commit?: number;
  readonly applied?: number;
  readonly snapshot?: number;
  readonly last?: number;
  /** `index:reign=value`, apart by blanks. An entry of the same text is the same object, as in a real log. */
  readonly log?: string;
}

/** A step of the story: the nodes that it touched, by name. */
type Step = Readonly<Record<string, Sketch>>;

const entryOfText = new Map<string, Entry>();

function entryOf(text: string): Entry {
  const known = entryOfText.get(text);
  if (known !== undefined) return known;
  const [, index, reign, value] = /^(\d+):(\d+)=(.*)$/.exec(text) ?? [];
  const entry: Entry = {
    index: Number(index) as LogIndex,
    reign: Number(reign) as Reign,
    timeMs: 0,
    payload: Buffer.from(value ?? ''),
  };
  entryOfText.set(text, entry);
  return entry;
}

function viewOf(node: string, sketch: Sketch): NodeView {
  const entries = (sketch.log ?? '')
    .split(' ')
    .filter((text) => text !== '')
    .map(entryOf);
  const reign = (sketch.reign ?? 1) as Reign;
  const snapshotIndex = (sketch.snapshot ?? 0) as LogIndex;
  const commitIndex = (sketch.commit ?? snapshotIndex) as LogIndex;
  const role = sketch.role ?? 'follower';
  return {
    node: node as NodeId,
    life: sketch.life ?? 1,
    appliedIndex: sketch.applied ?? 0,
    role,
    leader: undefined,
    reign,
    commitIndex,
    lastIndex: (sketch.last ?? entries.at(-1)?.index ?? snapshotIndex) as LogIndex,
    snapshotIndex,
    promisedReign: (sketch.promised ?? reign) as Reign,
    votedFor: (sketch.vote ?? (role === 'leader' ? node : undefined)) as NodeId | undefined,
    entriesAbove: (index) => entries.filter((entry) => entry.index > Math.max(index, snapshotIndex)),
  };
}

/** @returns the first violation, of whichever step; the same if nodes that have not changed are left out */
function tell(algorithm: string, ...steps: readonly Step[]): string | undefined {
  const options = { algorithm, members: ['a', 'b', 'c'] as NodeId[] };
  const [memory, frugal] = [new InvariantMemory(options), new InvariantMemory(options)];
  for (const step of steps) {
    const views = Object.entries(step).map(([node, sketch]) => viewOf(node, sketch));
    const violation = checkInvariants(views, memory);
    const changed = views.filter((view) => !frugal.knows(view));
    expect(checkInvariants(changed, frugal)).toBe(violation);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

type Story = readonly [title: string, steps: readonly Step[], violation: string | undefined];

function stories(algorithm: string, table: readonly Story[]): void {
  test.each(table)('%s', (_, steps, violation) => {
    const told = tell(algorithm, ...steps);
    if (violation === undefined) expect(told).toBeUndefined();
    else expect(told).toContain(violation);
  });
}

const leads: Sketch = { role: 'leader' };

describe.each(['raft', 'multi-paxos'])('election safety under %s', (algorithm) => {
  stories(algorithm, [
    [
      'one leader after the other, each in its reign',
      [{ a: leads }, { b: { ...leads, reign: 2 } }],
      undefined,
    ],
    [
      'two leaders of one reign',
      [{ a: leads }, { b: leads }],
      'election safety: b (life 1) leads in reign 1, and so did a (life 1)',
    ],
    [
      'two leaders of one reign at once',
      [{ a: leads, b: leads }],
      'election safety: b (life 1) leads in reign 1, and so did a (life 1)',
    ],
    [
      'a leader that leads on in its reign after a restart',
      [{ a: leads }, { a: { ...leads, life: 2 } }],
      'election safety: a (life 2) leads in reign 1, and so did a (life 1)',
    ],
  ]);
});

describe('log matching', () => {
  stories('raft', [
    [
      'equal logs, and others of other terms',
      [{ a: { log: '1:1=x 2:1=y' }, b: { log: '1:1=x 2:1=y' }, c: { log: '1:1=x 2:2=z', reign: 2 } }],
      undefined,
    ],
    [
      'one index and term with two values',
      [{ a: { log: '1:1=x 2:1=y' } }, { b: { log: '1:1=x 2:1=z' } }],
      'log matching: index 2 of term 1 is one thing at a, another at b',
    ],
    [
      'one index and term after two pasts',
      [{ a: { log: '1:1=x 2:3=y', reign: 3 } }, { b: { log: '1:2=z 2:3=y', reign: 3 } }],
      'log matching: index 2 of term 3 follows term 1 at a, and term 2 at b',
    ],
    [
      'another past, seen first behind a snapshot',
      [
        { a: { log: '2:3=y', snapshot: 1, reign: 3 } },
        { b: { log: '1:1=x 2:3=y', reign: 3 } },
        { c: { log: '1:2=z 2:3=y', reign: 3 } },
      ],
      'log matching: index 2 of term 3 follows term 1 at b, and term 2 at c',
    ],
    [
      'an entry appended after another past than elsewhere',
      [
        { a: { log: '1:1=x 2:3=y', reign: 3 } },
        { b: { log: '1:2=z', reign: 3 } },
        { b: { log: '1:2=z 2:3=y', reign: 3 } },
      ],
      'log matching: index 2 of term 3 follows term 1 at a, and term 2 at b',
    ],
    [
      'an entry overwritten under the same term',
      [{ a: { log: '1:1=x 2:1=y' } }, { a: { log: '1:1=x 2:1=z' } }],
      'log matching: index 2 of term 1 is one thing at a, another at a',
    ],
    [
      'another past after a restart, below what was committed before it',
      [
        { a: { log: '1:1=x 2:3=y', reign: 3 }, b: { log: '1:1=x 2:3=y', reign: 3 } },
        { a: { log: '1:1=x 2:3=y', reign: 3, commit: 2 } },
        { a: { log: '1:2=x 2:3=y', reign: 3, life: 2 } },
      ],
      'log matching: index 2 of term 3 follows term 1 at a, and term 2 at a',
    ],
    ['a gap', [{ a: { log: '1:1=x 3:1=y' } }], 'log matching: a holds 1 and then 3, with a gap between'],
  ]);

  test('does not bind Paxos, whose slots are filled in any order', () => {
    expect(tell('multi-paxos', { a: { log: '1:1=x 3:1=y' } })).toBeUndefined();
  });
});

describe.each(['raft', 'multi-paxos'])('state machine safety under %s', (algorithm) => {
  const held = { a: { log: '1:1=x 2:1=y' }, b: { log: '1:1=x 2:1=y' } };
  stories(algorithm, [
    [
      'equal prefixes, committed at different times',
      [held, { a: { log: '1:1=x 2:1=y', commit: 2 } }, { b: { log: '1:1=x 2:1=y', commit: 1 } }],
      undefined,
    ],
    [
      'one index committed with two values',
      [held, { a: { log: '1:1=x 2:1=y', commit: 2 } }, { c: { log: '1:1=x 2:2=z', commit: 2, reign: 2 } }],
      'state machine safety: a and c have committed different entries at 2',
    ],
    [
      'a commit beyond what the log holds',
      [{ ...held, c: { log: '1:1=x', commit: 2, last: 2 } }],
      'state machine safety: c has committed up to 2 and does not hold 2',
    ],
    [
      'another prefix after a restart',
      [
        held,
        { a: { log: '1:1=x 2:1=y', commit: 2 }, b: { log: '1:1=x 2:1=y', commit: 2 } },
        { a: { life: 2, log: '1:1=x 2:0=w', commit: 2 } },
      ],
      'state machine safety: a and a have committed different entries at 2',
    ],
  ]);

  test('compares the time stamp too, for the state machine sees it', () => {
    const memory = new InvariantMemory({ algorithm, members: ['a', 'b', 'c'] as NodeId[] });
    const late: Entry = { ...entryOf('1:1=x'), timeMs: 5 };
    const b = viewOf('b', { log: '1:1=x', commit: 1 });
    const c = {
      ...viewOf('c', { last: 1, commit: 1, reign: 2 }),
      entriesAbove: () => [{ ...late, reign: 2 as Reign }],
    };
    expect(checkInvariants([viewOf('a', { log: '1:1=x' }), b], memory)).toBeUndefined();
    expect(checkInvariants([c], memory)).toContain('b and c have committed different entries at 1');
  });
});

describe.each(['raft', 'multi-paxos'])('leader completeness under %s', (algorithm) => {
  const committed: Step = { a: { log: '1:1=x', commit: 1, promised: 1 }, b: { log: '1:1=x' } };
  stories(algorithm, [
    [
      'a later leader that holds what is committed',
      [committed, { b: { ...leads, reign: 2, log: '1:1=x' } }],
      undefined,
    ],
    [
      'a later leader that holds it in its snapshot',
      [committed, { b: { ...leads, reign: 2, snapshot: 1 } }],
      undefined,
    ],
    [
      'a later leader without it',
      [committed, { c: { ...leads, reign: 2 } }],
      'leader completeness: c leads in reign 2 without index 1, which a has committed',
    ],
    [
      'a later leader with something else in its place',
      [committed, { c: { ...leads, reign: 2, log: '1:0=z' } }],
      'leader completeness: c leads in reign 2 with something else at index 1, which a has committed',
    ],
    [
      'a later leader without what turns out to be committed earlier',
      [
        { a: { log: '1:1=x' }, b: { log: '1:1=x', promised: 2, vote: 'c' } },
        { c: { ...leads, reign: 2 } },
        { a: { log: '1:1=x', commit: 1 } },
      ],
      'leader completeness: c leads in reign 2 without index 1, which a has committed',
    ],
    [
      'an old leader without what a later one committed',
      [
        { c: leads },
        { a: { reign: 2, vote: 'b', log: '1:2=x', commit: 1 }, b: { ...leads, reign: 2, log: '1:2=x' } },
      ],
      undefined,
    ],
  ]);
});

describe('chosen once', () => {
  const chosen: Step = { a: { log: '1:3=x', commit: 1, reign: 3 }, b: { log: '1:3=x', reign: 3 } };
  stories('multi-paxos', [
    [
      'the chosen value proposed again under a higher ballot, and another one lost under a lower',
      [chosen, { c: { log: '1:2=z', reign: 3 } }, { c: { log: '1:4=x', reign: 4 } }],
      undefined,
    ],
    [
      'one ballot with two values',
      [{ a: { log: '1:3=x', reign: 3 } }, { b: { log: '1:3=y', reign: 3 } }],
      'chosen once: slot 1 of ballot 3 is one thing at a, another at b',
    ],
    [
      'another value under a higher ballot after the choice',
      [chosen, { c: { log: '1:4=y', reign: 4 } }],
      'chosen once: c accepted another value in slot 1 at ballot 4 than was chosen at 3 or below',
    ],
    [
      'another value under a higher ballot before the choice is known',
      [{ c: { log: '1:4=y', reign: 4 } }, chosen],
      'chosen once: c accepted another value in slot 1 at ballot 4 than was chosen at 3 or below',
    ],
  ]);

  test('does not bind Raft, where an uncommitted entry of a later term may stand beside a committed one', () => {
    expect(tell('raft', chosen, { c: { log: '1:4=y', reign: 4 } })).toBeUndefined();
  });
});

describe.each(['raft', 'multi-paxos'])('monotonic under %s', (algorithm) => {
  const log = '1:1=x 2:1=y';
  const both = { a: { log, reign: 3, commit: 2, applied: 2, vote: 'b' }, b: { log, reign: 3 } };
  stories(algorithm, [
    ['everything goes on', [both, { a: { log, reign: 4, commit: 2, applied: 2, vote: 'c' } }], undefined],
    ['a restart forgets what was not durable', [both, { a: { log, reign: 2, life: 2 } }], undefined],
    [
      'the reign',
      [both, { a: { ...both.a, reign: 2, promised: 3 } }],
      'monotonic: a: reign went from 3 back to 2',
    ],
    [
      'the promise',
      [both, { a: { ...both.a, promised: 2 } }],
      'monotonic: a: promisedReign went from 3 back to 2',
    ],
    [
      'the commit',
      [both, { a: { ...both.a, commit: 1, applied: 1 } }],
      'monotonic: a: commitIndex went from 2 back to 1',
    ],
    [
      'the applied',
      [both, { a: { ...both.a, applied: 1 } }],
      'monotonic: a: appliedIndex went from 2 back to 1',
    ],
    [
      'the snapshot',
      [both, { b: { log, snapshot: 2, reign: 3 } }, { b: { log, snapshot: 1, commit: 2, reign: 3 } }],
      'monotonic: b: snapshotIndex went from 2 back to 1',
    ],
    [
      'the vote',
      [both, { a: { ...both.a, vote: 'c' } }],
      'monotonic: a gave its vote of reign 3 to b, then to c',
    ],
    [
      'the vote taken back',
      [both, { a: { log, reign: 3, commit: 2, applied: 2 } }],
      'monotonic: a gave its vote of reign 3 to b, then to',
    ],
    [
      'applied beyond the commit',
      [{ a: { log, commit: 1, applied: 2 } }],
      'monotonic: a has applied 2, beyond its commit 1',
    ],
    [
      'committed beyond the log',
      [{ a: { log, commit: 3 } }],
      "monotonic: a has committed 3, beyond its log's end 2",
    ],
    [
      'forgotten beyond the commit',
      [{ a: { log, snapshot: 2, commit: 1 } }],
      'monotonic: a has forgotten 2, beyond its commit 1',
    ],
  ]);
});

describe.each(['raft', 'multi-paxos'])('promises kept under %s', (algorithm) => {
  const start: Step = { a: { reign: 1 }, b: { reign: 1 }, c: { reign: 1 } };
  const votes: Step = { a: { reign: 2, vote: 'b' } };
  const elected: Step = { b: { ...leads, reign: 2 } };
  const bystander: Step = { c: { reign: 2, vote: 'b' } };
  stories(algorithm, [
    ['a leader without a quorum', [start, elected], 'b leads in reign 2, to which only 1 have committed'],
    [
      'a leader whose quorum was counted over several reigns',
      [start, { a: { reign: 3 }, c: { reign: 1, vote: 'b' } }, { b: { ...leads, reign: 4 } }],
      'b leads in reign 4, to which only 1 have committed',
    ],
    ['a voter that remembers', [start, votes, elected, { a: { life: 2, reign: 2, vote: 'b' } }], undefined],
    ['a voter that has gone on', [start, votes, elected, { a: { life: 2, reign: 3 } }], undefined],
    [
      'a node that was not needed and forgets',
      [start, votes, bystander, elected, { a: { life: 2, reign: 1 } }],
      undefined,
    ],
    [
      'a voter of the bare quorum that forgets',
      [start, votes, elected, bystander, { a: { life: 2, reign: 1 } }],
      'promises kept: a helped to elect b in reign 2, and is now at 1 for nobody',
    ],
    [
      'a voter of the bare quorum that forgets for whom',
      [start, votes, elected, { a: { life: 2, reign: 2 } }],
      'promises kept: a helped to elect b in reign 2, and is now at 2 for nobody',
    ],
    [
      'so many that forget that no quorum remembers',
      [start, votes, bystander, elected, { a: { life: 2, reign: 1 } }, { c: { life: 2, reign: 1 } }],
      'promises kept: b was elected in reign 2, and only 1 remember it',
    ],
  ]);
});

describe.each(['raft', 'multi-paxos'])('chosen is held under %s', (algorithm) => {
  const everywhere: Step = { a: { log: '1:1=x' }, b: { log: '1:1=x' }, c: { log: '1:1=x' } };
  const onTwo: Step = { a: { log: '1:1=x' }, b: { log: '1:1=x' }, c: {} };
  const commits: Step = { a: { log: '1:1=x', commit: 1 } };
  stories(algorithm, [
    ['by two of three', [onTwo, commits, { b: { life: 2, log: '1:1=x' } }], undefined],
    ['by a snapshot', [onTwo, commits, { b: { life: 2, snapshot: 1 } }], undefined],
    ['by one and a snapshot', [{ a: { log: '1:1=x' }, b: { snapshot: 1 }, c: {} }, commits], undefined],
    ['by two, after the third lost it', [everywhere, commits, { b: { life: 2 } }], undefined],
    [
      'by one alone when it is committed',
      [{ a: { log: '1:1=x' }, b: {}, c: {} }, commits],
      'chosen is held: a has committed 1, and only a holds it',
    ],
    [
      'no more by a node of the bare quorum, after a restart',
      [onTwo, commits, { c: { log: '1:1=x' } }, { b: { life: 2 } }],
      'chosen is held: b was of the quorum that chose 1, and does not hold it any more',
    ],
    [
      'no more by a node of the bare quorum, after it overwrote it',
      [onTwo, commits, { b: { log: '1:0=z' } }],
      'chosen is held: b was of the quorum that chose 1, and does not hold it any more',
    ],
    [
      'no more by enough, one restart after the other',
      [everywhere, commits, { b: { life: 2 } }, { c: { life: 2 } }],
      'chosen is held: a has committed 1, and only a holds it',
    ],
  ]);
});

test('a step reads the end of the log, not all of it', () => {
  const memory = new InvariantMemory({ algorithm: 'raft', members: ['a'] as NodeId[] });
  const log = Array.from({ length: 500 }, (_, at) => entryOf(`${at + 1}:1=x`));
  let read = 0;
  for (let length = 1; length <= log.length; length++) {
    const sketch = viewOf('a', { ...leads, commit: length, last: length });
    const entriesAbove = (index: number): Entry[] => {
      const above = log.slice(index, length);
      read += above.length;
      return above;
    };
    expect(checkInvariants([{ ...sketch, entriesAbove }], memory)).toBeUndefined();
  }
  expect(read / log.length).toBeLessThan(10);
});

describe('a node is known', () => {
  const before: Sketch = {
    role: 'leader',
    reign: 2,
    commit: 1,
    applied: 1,
    log: '1:1=x 2:2=y',
  };
  const asSeen = (sketch: Sketch): boolean => {
    const memory = new InvariantMemory({ algorithm: 'raft', members: ['a'] as NodeId[] });
    expect(checkInvariants([viewOf('a', before)], memory)).toBeUndefined();
    return memory.knows(viewOf('a', { ...before, ...sketch }));
  };

  test('if nothing has changed', () => expect(asSeen({})).toBe(true));

  test.each<[string, Sketch]>([
    ['it lives again', { life: 2 }],
    ['its role is another', { role: 'candidate' }],
    ['its reign is', { reign: 3, promised: 2 }],
    ['its promise is', { promised: 3 }],
    ['its vote is', { vote: 'b' }],
    ['it has committed more', { commit: 2 }],
    ['it has applied more or less', { applied: 0 }],
    ['it has forgotten something', { snapshot: 1 }],
    ['its log says that it ends elsewhere', { last: 3 }],
    ['its log is longer', { log: '1:1=x 2:2=y 3:2=z', last: 2 }],
    ['its log is shorter', { log: '1:1=x', last: 2 }],
    ['another entry stands where nothing was committed yet', { log: '1:1=x 2:2=z' }],
  ])('not if %s', (_, sketch) => expect(asSeen(sketch)).toBe(false));
});
