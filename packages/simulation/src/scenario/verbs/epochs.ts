/** Verbs that change the epoch: other members, another algorithm, a member on a new disk. */
import { CodedError, invariant, type NodeId } from '@quorate/core';
import { SimulatedDisk } from '../../simulated-disk.ts';
import type { Stage } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

export interface Change {
  readonly algorithm?: string;
  readonly members?: readonly NodeId[];
  /** A member that begins anew on a blank disk. */
  readonly renewed?: readonly NodeId[];
  readonly leaversStay?: true;
}

const timeoutMsDefault = 10_000;

/** What `Cluster.reconfigure` and `Cluster.replace` do, in the same order: admit, ask the leader, dismiss. */
export async function carryOut(stage: Stage, what: Change, timeoutMs: number): Promise<number> {
  const { cluster } = stage;
  const client = await stage.client(stage.speaker);
  const endMs = stage.time.nowMs + timeoutMs;
  await client.leaderIn(0, endMs);
  const present = client.epoch;
  invariant(present !== undefined, 'who knows a leader knows its epoch');
  const { epoch: number, algorithm, members } = present;
  const next = { algorithm, members, acceptQuorum: undefined, renewed: [], ...what };
  for (const name of new Set([...next.members, ...next.renewed])) {
    const isNew = !cluster.members.includes(name) || next.renewed.includes(name);
    if (isNew) cluster.admit(name, { number, algorithm, members, acceptQuorum: undefined });
  }
  const { leaversStay, ...change } = next;
  const epoch = await client.reconfigure(
    { ...change, fromEpoch: number },
    { timeoutMs: endMs - stage.time.nowMs },
  );
  await client.establishedIn(epoch, endMs);
  const leavers = cluster.members.filter((name) => !next.members.includes(name));
  if (leaversStay !== true) for (const leaver of leavers) cluster.dismiss(leaver);
  return epoch;
}

async function change(stage: Stage, what: Change, timeoutMs = timeoutMsDefault): Promise<void> {
  const [renewed] = what.renewed ?? [];
  const to = what.algorithm ?? (renewed === undefined ? what.members?.join(' ') : `${renewed} on a new disk`);
  try {
    stage.say(`epoch ${await carryOut(stage, what, timeoutMs)}: ${to}`);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    stage.say(`change to ${to} -> ${error.code}`);
  }
}

/** A member that is down gets a blank disk, and is readmitted. */
function replace(stage: Stage, name: string, timeoutMs = timeoutMsDefault): Promise<void> {
  const node = stage.node(name);
  node.insertDisk(new SimulatedDisk());
  stage.stopped.delete(node.name);
  return stage.finish(change(stage, { renewed: [node.name] }, timeoutMs));
}

const sorted = (names: string): readonly NodeId[] => names.split(' ').sort() as NodeId[];

export const epochVerbs: readonly Verb[] = [
  verb('change members to NODES', (stage, { NODES }) =>
    stage.finish(change(stage, { members: sorted(NODES) })),
  ),
  verb('change members to NODES within TIME', (stage, { NODES, TIME }) =>
    stage.finish(change(stage, { members: sorted(NODES) }, durationMs(TIME))),
  ),
  /** Whoever is a member no more runs on, as if nobody had told it. */
  verb('change members to NODES while leavers stay', (stage, { NODES }) =>
    stage.finish(change(stage, { members: sorted(NODES), leaversStay: true })),
  ),
  /** Asks, and does not wait. */
  verb('begin change members to NODES within TIME', (stage, { NODES, TIME }) => {
    stage.begin(change(stage, { members: sorted(NODES) }, durationMs(TIME)));
  }),
  verb('change algorithm to ALGORITHM', (stage, { ALGORITHM }) =>
    stage.finish(change(stage, { algorithm: ALGORITHM })),
  ),
  verb('replace NODE', (stage, { NODE }) => replace(stage, NODE)),
  verb('replace NODE within TIME', (stage, { NODE, TIME }) => replace(stage, NODE, durationMs(TIME))),
  /** Whoever is a member no more is gone by then. */
  verb('await changes', (stage) => stage.awaitBegun()),
  verb('expect NODE is in epoch NUMBER within TIME', (stage, { NODE, NUMBER, TIME }) => {
    const isThere = (): boolean => stage.node(NODE).opened?.replica.status().epoch === wholeNumber(NUMBER);
    return stage.until(isThere, durationMs(TIME), `${NODE} is in epoch ${NUMBER}`);
  }),
  /** Nobody speaks in an epoch any more that it has left. */
  verb('expect earlier epochs rest within TIME', (stage, { TIME }) => {
    const serving = (): readonly NodeId[] =>
      stage.cluster.nodes
        .filter(({ opened }) => (opened?.replica.runs.length ?? 1) > 1)
        .map(({ name }) => name);
    return stage.until(() => serving().length === 0, durationMs(TIME), 'earlier epochs rest');
  }),
];
