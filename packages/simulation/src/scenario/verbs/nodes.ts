/** Verbs of nodes: their ends, their returns, their pauses and their clocks. */
import type { Random } from '@quorate/core';
import type { Stage } from '../stage.ts';
import { durationMs, type Verb, verb } from '../verb.ts';

const openMsMax = 10_000;

/** What becomes of unsynced writes when the power fails: one fate for all. */
function fate(of: 'lost' | 'torn' | 'kept'): Random {
  const random: Random = {
    // Changes of names: true loses them. Writes: 0 keeps, 1 drops, 2 tears. Torn: every other sector.
    chance: () => of === 'lost',
    below: (below) => Math.min(below - 1, { kept: 0, lost: 1, torn: 2 }[of]),
    next: () => 0,
    fork: () => random,
  };
  return random;
}

function crash(stage: Stage, names: string, of: 'lost' | 'torn' | 'kept'): void {
  for (const { name } of stage.nodes(names)) stage.cluster.crash(name, fate(of));
}

/** Starts the nodes and waits until each is open, or has said why it cannot be. */
async function restart(stage: Stage, names: string): Promise<void> {
  const nodes = stage.nodes(names);
  for (const { name } of nodes) {
    stage.stopped.delete(name);
    stage.cluster.revive(name);
  }
  const isBack = (): boolean =>
    nodes.every(({ name, opened }) => opened !== undefined || stage.stopped.has(name));
  await stage.until(isBack, openMsMax, `${names} open`);
}

export const nodeVerbs: readonly Verb[] = [
  /** The power fails, and all that was not synced is gone. */
  verb('crash NODES', (stage, { NODES }) => crash(stage, NODES, 'lost')),
  verb('crash NODE tearing its writes', (stage, { NODE }) => crash(stage, NODE, 'torn')),
  verb('crash NODE keeping its writes', (stage, { NODE }) => crash(stage, NODE, 'kept')),
  verb('crash NODE in its next sync', (stage, { NODE }) => {
    stage.node(NODE).strikeAtNextSync('during', () => crash(stage, NODE, 'lost'));
  }),
  verb('crash NODE after its next sync', (stage, { NODE }) => {
    stage.node(NODE).strikeAtNextSync('after', () => crash(stage, NODE, 'lost'));
  }),
  verb('await end of NODE', (stage, { NODE }) =>
    stage.until(() => stage.node(NODE).runtime === undefined, 10_000, `${NODE} is down`),
  ),
  /** The thread ends; its disk forgets nothing. */
  verb('kill NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.cluster.kill(name);
  }),
  verb('restart NODES', (stage, { NODES }) => restart(stage, NODES)),
  verb('pause NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.cluster.pause(name);
  }),
  verb('resume NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.cluster.resume(name);
  }),
  /** The thread of each node computes for so long at every command, from now on. */
  verb('commands take TIME on NODES', (stage, { TIME, NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.commandsTakeMs.set(name, durationMs(TIME));
  }),
  /** From now on each command leaves something random in the state, which no result shows; until a restart. */
  verb('chance enters the state of NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.byChance.add(name);
  }),
  verb('clock of NODE runs at RATE', (stage, { NODE, RATE }) => stage.node(NODE).setClockRate(Number(RATE))),
  verb('clock of NODE jumps ahead by TIME', (stage, { NODE, TIME }) =>
    stage.node(NODE).jumpWallClock(durationMs(TIME)),
  ),
  verb('clock of NODE jumps back by TIME', (stage, { NODE, TIME }) =>
    stage.node(NODE).jumpWallClock(-durationMs(TIME)),
  ),
];
