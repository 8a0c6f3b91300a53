/** Word of a leader's end overtakes what it had sent: that is still taken in, and brings nobody back to life. */
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../src/conformance/cluster.ts';
import { isLastWord } from '../src/last-words.ts';
import { multiPaxos } from '../src/multi-paxos/multi-paxos.ts';
import type { Protocol } from '../src/protocol.ts';
import { raft } from '../src/raft/raft.ts';

const protocols = [raft, multiPaxos] as unknown as readonly Protocol<unknown, unknown>[];
const shortestMs = 150;

describe.each(protocols)('the followers of a dead leader, in $name', (protocol) => {
  const slow = { delayMs: [15, 15] } as const;
  /** Three nodes, and a leader that ended with so many proposals on the way to the others. */
  function lateMail(seed: number) {
    const options = { electionTimeoutMs: [shortestMs, 2 * shortestMs] } as const;
    const cluster = new ProtocolCluster({ protocol, nodes: 3, seed, network: slow, options });
    cluster.elect('n1');
    cluster.run(seed);
    for (let count = 0; count < 3; count++) cluster.propose('n1', `last word ${count}`);
    cluster.crash('n1');
    for (const peer of ['n2', 'n3']) cluster.input(peer, { type: 'peer-down', peer: 'n1' as never });
    return cluster;
  }

  test('elect one of them without waiting for a timeout', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const cluster = lateMail(seed);
      const isElected = (): boolean => ['n2', 'n3'].includes(cluster.leader() ?? '');
      expect(cluster.runUntil(isElected, shortestMs - 20), `seed ${seed}`).toBe(true);
    }
  });

  test('keep what it had sent', () => {
    const cluster = lateMail(1);
    cluster.run(25);
    for (const peer of ['n2', 'n3']) expect(cluster.status(peer).lastIndex).toBeGreaterThanOrEqual(3);
  });

  test('answer none of its heartbeats: nobody here is loyal to it, and an answer would count towards a lease', () => {
    const cluster = new ProtocolCluster({ protocol, nodes: 3, seed: 1 });
    cluster.elect('n1');
    const answers: unknown[] = [];
    cluster.hold = ({ from, wire }) => {
      const { type } = protocol.decodeMessage(wire) as { readonly type: string };
      if (from === 'n2' && type === 'heartbeat-reply') answers.push(cluster.nowMs);
      return false;
    };
    cluster.run(100);
    expect(answers).not.toEqual([]);
    answers.length = 0;
    cluster.input('n2', { type: 'peer-down', peer: 'n1' as never });
    cluster.run(100);
    expect(answers).toEqual([]);
  });

  test('follow it again when it speaks for longer than the dead can', () => {
    const cluster = new ProtocolCluster({ protocol, nodes: 3, seed: 1 });
    cluster.elect('n1');
    cluster.cut('n2', 'n3');
    cluster.input('n2', { type: 'peer-down', peer: 'n1' as never });
    expect(cluster.runUntil(() => cluster.status('n2').leader === 'n1')).toBe(true);
    expect(cluster.leader()).toBe('n1');
  });
});

test.each([
  { story: 'of one of whose end nobody told', from: 'b', nowMs: 10, isLast: false },
  { story: 'soon after word of the end', from: 'a', nowMs: 149, isLast: true },
  { story: 'later than a timeout', from: 'a', nowMs: 150, isLast: false },
])('a message $story is a last word: $isLast', ({ from, nowMs, isLast }) => {
  const lastWords = new Map([['a' as never, 150]]);
  expect(isLastWord(lastWords, from as never, nowMs)).toBe(isLast);
});
