/**
 * Promises are kept: a leader has a quorum of them, and that quorum never again belongs to an older one.
 * [Raft fig. 2: persistent state is on stable storage before a reply], [PaxosSimple §2.2, §2.5]
 *
 * From outside a promise is known to be durable only when a leader has come of it. If just enough nodes
 * had promised to elect it, each of them is bound for ever; if more had, any quorum of them is.
 */
import type { NodeId } from '@quorate/core';
import type { InvariantMemory, NodeView } from './memory.ts';

interface Leadership {
  readonly reign: number;
  readonly leader: NodeId;
}

export function promisesKept(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  for (const view of views) {
    const floor = memory.promiseFloors.get(view.node);
    if (floor !== undefined && !stands(view, floor)) {
      return (
        `${view.node} helped to elect ${floor.leader} in reign ${floor.reign}, ` +
        `and is now at ${view.promisedReign} for ${view.votedFor ?? 'nobody'}`
      );
    }
    if (memory.before(view) === undefined) {
      const broken = quorumIsBroken(memory);
      if (broken !== undefined) return broken;
    }
    const unelected = view.role === 'leader' ? noteElection(view, memory) : undefined;
    if (unelected !== undefined) return unelected;
  }
  return undefined;
}

function noteElection({ node, reign }: NodeView, memory: InvariantMemory): string | undefined {
  if (memory.lastLed !== undefined && memory.lastLed.reign >= reign) return undefined;
  // Nobody has elected it: those who are not there yet begin with this promise, and owe it nothing before.
  const isFirst = memory.lastLed === undefined && memory.leaderOfReign.size <= 1;
  if (node === memory.appointed && isFirst) return undefined;
  const leadership = { reign, leader: node };
  memory.lastLed = leadership;
  const seen = memory.latestViews();
  const promised = seen.filter((view) => stands(view, leadership));
  // Whoever was never seen may have promised.
  if (promised.length + memory.members.length - seen.length < memory.electing) {
    return `${node} leads in reign ${reign}, to which only ${promised.length} have committed themselves`;
  }
  if (promised.length > memory.electing) return undefined;
  for (const view of promised) memory.promiseFloors.set(view.node, leadership);
  return undefined;
}

function quorumIsBroken(memory: InvariantMemory): string | undefined {
  const { lastLed } = memory;
  if (lastLed === undefined) return undefined;
  const promised = memory.latestViews().filter((view) => stands(view, lastLed)).length;
  if (promised >= memory.electing) return undefined;
  return `${lastLed.leader} was elected in reign ${lastLed.reign}, and only ${promised} remember it`;
}

/** Whether the node's promise is at least the one that this leadership was built on. */
function stands(view: NodeView, leadership: Leadership): boolean {
  if (view.promisedReign !== leadership.reign) return view.promisedReign > leadership.reign;
  return view.votedFor === leadership.leader;
}
