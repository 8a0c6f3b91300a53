/** The groups of a node under one roof: who is given time, what all are told, and what nodes say to each other. */
import type { ActorRef, NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { decodeAlive, encodeAlive, groupsMax } from '../../src/replica/alive-message.ts';
import { GroupHost, type HostedReplica } from '../../src/replica/group-host.ts';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];

/** A replica that notes what it is told. */
class Noting implements HostedReplica {
  readonly told: string[] = [];
  isIdle = false;
  isLeaderless = false;
  hasFailed = false;
  readonly runs = [{ epoch: { members: [a, b, c] } }];
  readonly run = { isMember: (node: NodeId) => [a, b, c].includes(node) };
  receive(wire: unknown): void {
    if (wire === 'bug') throw new Error('a bug');
    this.told.push(`received ${wire}`);
    this.isIdle = false;
  }
  tick(): void {
    this.told.push('tick');
  }
  publish(): void {
    this.told.push('publish');
  }
  peerDown(peer: NodeId): void {
    this.told.push(`${peer} down`);
  }
  peerSilent(peer: NodeId): void {
    this.told.push(`${peer} silent`);
  }
  fail(error: unknown): void {
    this.told.push(`failed: ${(error as Error).message}`);
  }
  async stop(): Promise<void> {
    this.told.push('stop');
  }
  /** What it was told since the last call. */
  take(): string[] {
    return this.told.splice(0);
  }
}

const from = (node: string): ActorRef => ({ address: `${node}/node` }) as ActorRef;

function hostOf(groups: number, watchesNodes = true) {
  const clock = { ms: 0 };
  const replicas = Array.from({ length: groups }, () => new Noting());
  const sent: { readonly to: NodeId; readonly wire: unknown }[] = [];
  const watched: string[] = [];
  const host = new GroupHost({
    node: a,
    clock: { nowMs: () => clock.ms, wallMs: () => 0, after: () => ({ cancel() {} }), defer: (run) => run() },
    tuning: { heartbeatMs: 50, electionTimeoutMs: [150, 300], peerDownHints: true },
    watchesNodes,
    life: 7,
    replicas,
    nodeActor: (to) =>
      ({
        address: `${to}/node`,
        tell: (wire: unknown) => void sent.push({ to, wire }),
      }) as unknown as ActorRef,
    watch: (ref) => void watched.push(ref.address),
  });
  const pass = (ms: number): void => {
    for (const end = clock.ms + ms; clock.ms < end; ) {
      clock.ms += 10;
      host.tick();
    }
  };
  host.tick();
  const told = (): string[][] => replicas.map((replica) => replica.take());
  told();
  return { host, replicas, sent, watched, pass, told };
}

const alive = (life: number, ...failedGroups: number[]) => encodeAlive({ life, failedGroups });

describe('time', () => {
  test('is given to a replica at rest seldom, and to the others at every tick', () => {
    const { replicas, pass, told } = hostOf(2, false);
    if (replicas[1] !== undefined) replicas[1].isIdle = true;
    pass(290);
    const [awake, resting] = told();
    expect(awake?.filter((line) => line === 'tick')).toHaveLength(29);
    // Its last tick, and its last news.
    expect(resting).toEqual(['tick', 'publish']);
    pass(310);
    expect(told()[1]).toEqual(['tick', 'publish', 'tick', 'publish']);
  });

  test('is given again from the first message on', () => {
    const { host, replicas, pass, told } = hostOf(1);
    const [replica] = replicas as [Noting];
    replica.isIdle = true;
    pass(20);
    told();
    host.behaviorOf(replica).receive('news', from('client'));
    pass(20);
    expect(told()).toEqual([['received news', 'tick', 'tick']]);
  });
});

describe('time for many', () => {
  test('goes round: with thousands awake nobody waits longer than eight ticks', () => {
    const { pass, told } = hostOf(2_000, false);
    pass(10);
    expect(told().filter((lines) => lines.includes('tick'))).toHaveLength(250);
    pass(70);
    told();
    pass(80);
    for (const lines of told()) expect(lines).toEqual(['tick']);
  });

  test('without leaders is for a few, then for those behind them, and comes round again', () => {
    const { replicas, pass, told } = hostOf(100);
    for (const replica of replicas) replica.isLeaderless = true;
    told();
    const ticked = (): number[] => {
      const numbers = told().map((lines, number) => (lines.includes('tick') ? number : -1));
      return numbers.filter((number) => number >= 0);
    };
    pass(100);
    const first = ticked();
    expect(first).toHaveLength(32);
    // Two are led now, and two others come in.
    for (const number of first.slice(0, 2)) (replicas[number] as Noting).isLeaderless = false;
    pass(10);
    expect(ticked().filter((number) => !first.includes(number))).toHaveLength(2);
    const seen = new Set<number>();
    for (let round = 0; round < 4; round++) {
      pass(600);
      for (const number of ticked()) seen.add(number);
    }
    expect(seen.size).toBe(100);
  });
});

describe('what nodes say to each other', () => {
  test('is one word a heartbeat to each, however many groups there are', () => {
    const { sent, replicas, pass } = hostOf(100);
    sent.length = 0;
    if (replicas[3] !== undefined) replicas[3].hasFailed = true;
    pass(500);
    expect(sent.filter(({ to }) => to === b)).toHaveLength(10);
    expect(sent.filter(({ to }) => to === c)).toHaveLength(10);
    expect(decodeAlive(sent.at(-1)?.wire)).toEqual({ life: 7, failedGroups: [3] });
  });

  test('is nothing where a group alone says it with its heartbeats', () => {
    const { sent, pass, told } = hostOf(1, false);
    pass(1_000);
    expect(sent).toEqual([]);
    expect(told().flat()).not.toContain('b silent');
  });

  test('survives its encoding, and nothing else is taken for it', () => {
    const word = { life: 2 ** 32, failedGroups: [0, groupsMax - 1] };
    expect(decodeAlive(encodeAlive(word))).toEqual(word);
    for (const wire of [undefined, [], [32], [31, 1, []], [32, -1, []], [32, 1, [groupsMax]], [32, 1, [], 0]])
      expect(() => decodeAlive(wire)).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
  });
});

describe('a node is silent to every replica', () => {
  test('when nothing came of it for the shortest election timeout, not even a message of some group', () => {
    const { host, replicas, pass, told } = hostOf(2);
    pass(100);
    host.behaviorOf(replicas[0] as Noting).receive('heartbeat', { address: 'b/replica-0' } as ActorRef);
    pass(50);
    expect(told().map((lines) => lines.filter((line) => line.includes('silent')))).toEqual([
      ['c silent'],
      ['c silent'],
    ]);
    pass(100);
    expect(told()[1]?.filter((line) => line.includes('silent'))).toEqual(['b silent']);
  });

  test('when it speaks in another life: what it led it leads no more', () => {
    const { host, told } = hostOf(2);
    host.receive(alive(1), from('b'));
    host.receive(alive(1), from('b'));
    expect(told()).toEqual([[], []]);
    host.receive(alive(2), from('b'));
    expect(told()).toEqual([['b silent'], ['b silent']]);
  });

  test('in the groups alone in which it says that its replica has stopped', () => {
    const { host, told } = hostOf(3);
    host.receive(alive(1, 1), from('b'));
    expect(told()).toEqual([[], ['b silent'], []]);
  });

  test('and a stranger can say what it likes', () => {
    const { host, told, watched } = hostOf(2);
    host.receive(alive(1, 0, 1), from('x'));
    host.receive(alive(2, 0, 1), from('x'));
    expect(told()).toEqual([[], []]);
    expect(watched).not.toContain('x/node');
  });
});

test('the end of a thread is told to all, and whoever is heard again is watched anew', () => {
  const { host, told, watched } = hostOf(2);
  host.receive(alive(1), from('b'));
  host.receive(alive(1), from('b'));
  expect(watched).toEqual(['b/node']);
  host.watchEnded(b);
  host.threadEnded(b, { ended: 3, present: undefined });
  expect(told()).toEqual([['b down'], ['b down']]);
  host.receive(alive(2), from('b'));
  expect(watched).toEqual(['b/node', 'b/node']);
});

test.each([
  { present: undefined, told: 'b down' },
  { present: 3, told: 'b down' },
  { present: 4, told: 'b silent' },
])('the end of life 3, while life $present can be reached, is told as: $told', ({ present, told: line }) => {
  const { host, told } = hostOf(1);
  host.threadEnded(b, { ended: 3, present });
  expect(told()).toEqual([[line]]);
});

test('a replica that throws is stopped with its reason, and the others go on', () => {
  const { host, replicas, pass, told } = hostOf(2);
  host.behaviorOf(replicas[0] as Noting).receive('bug', from('client'));
  expect(told()).toEqual([['failed: a bug'], []]);
  pass(10);
  expect(told()[1]).toEqual(['tick']);
});
