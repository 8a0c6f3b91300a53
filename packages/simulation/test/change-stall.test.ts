/**
 * What a change of the epoch, or of who leads it, costs those who write: a few rounds of messages and writes to disks,
 * and never a timer.
 *
 * On a simulated disk, whose syncs take up to a millisecond, that is a few milliseconds. Whatever waits for a tick,
 * a heartbeat or an election somewhere on the way takes ten or more.
 */
import { expect, test } from 'vitest';
import { Stage } from '../src/scenario/stage.ts';
import { perform } from '../src/scenario/vocabulary.ts';

const writers = 64;
/** STOP, charter, and the first entry of the next epoch: three syncs here, with two there, and the way between. */
const stallMsMax = 6;
/** What is under way, two promises one after the other, and the first entries: five syncs, and the way between. */
const transferMsMax = 7;

interface Writers {
  /** When something was acknowledged, in milliseconds of virtual time. */
  readonly ackedAtMs: number[];
  readonly end: () => Promise<void>;
}

async function beginToWrite(stage: Stage): Promise<Writers> {
  const session = (await stage.client('writers')).session();
  const ackedAtMs: number[] = [];
  let isOn = true;
  const write = async (writer: number): Promise<void> => {
    for (let round = 0; isOn; round++) {
      const id = 1_000_000 + round * writers + writer;
      await session.propose(['write', id, 1_000 + writer, round], { timeoutMs: 5_000 });
      ackedAtMs.push(stage.time.nowMs);
    }
  };
  const all = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return {
    ackedAtMs,
    end() {
      isOn = false;
      return stage.finish(all.then(() => undefined));
    },
  };
}

/** @returns the longest time without an acknowledgement from the order on, until soon after it was carried out */
async function stallOf(stage: Stage, { ackedAtMs }: Writers, order: string): Promise<number> {
  const orderedMs = stage.time.nowMs;
  await perform(stage, order);
  await stage.run(30);
  const acks = ackedAtMs.filter((atMs) => atMs >= orderedMs);
  return Math.max(...acks.map((atMs, place) => atMs - (acks[place - 1] ?? orderedMs)));
}

const other = { raft: 'multi-paxos', 'multi-paxos': 'raft' } as const;

test.each(['raft', 'multi-paxos'] as const)(
  'a change of what began as %s stalls nobody for long',
  async (algorithm) => {
    const stage = new Stage(algorithm, {});
    await perform(stage, 'cluster a b c');
    await perform(stage, 'lead a');
    const load = await beginToWrite(stage);
    const orders = [
      `change algorithm to ${other[algorithm]}`,
      `change algorithm to ${algorithm}`,
      'change members to a b c d',
      'change members to a b d',
      `change algorithm to ${other[algorithm]}`,
      // The leader leaves.
      'change members to b c d',
    ];
    for (const order of orders) {
      await stage.run(50);
      const stallMs = await stallOf(stage, load, order);
      expect(stage.takeLines().filter((line) => line.includes('ERR_'))).toEqual([]);
      expect({ order, stallMs, isShort: stallMs < stallMsMax }).toMatchObject({ isShort: true });
    }
    await load.end();
  },
);

test.each(['raft', 'multi-paxos'] as const)(
  'the lead of %s goes round, at any phase of the heartbeat, and nobody is stalled for long',
  async (algorithm) => {
    const stage = new Stage(algorithm, {});
    await perform(stage, 'cluster a b c');
    await perform(stage, 'lead a');
    const load = await beginToWrite(stage);
    for (let round = 0; round < 30; round++) {
      await stage.run(20 + round * 3.4);
      const order = `transfer to ${'bca'[round % 3]} within 5s`;
      const stallMs = await stallOf(stage, load, order);
      expect(stage.takeLines().filter((line) => line.includes('ERR_'))).toEqual([]);
      expect({ round, stallMs, isShort: stallMs < transferMsMax }).toMatchObject({ isShort: true });
    }
    await load.end();
  },
);
