/** Verbs about who leads: steering it, and holding it against what is expected. */
import { CodedError, type NodeId } from '@quorate/core';
import { ScenarioFailure, type Stage } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

/** How long an election that is steered may take. */
const electionMsMax = 10_000;
/** How long after it followers may take to hear of it, before their timers go on. */
const newsMs = 20;

/** Takes the lead from whoever has it: cut off from everyone, it notices, and lets go. */
async function depose(stage: Stage, leader: NodeId): Promise<void> {
  const { network, members } = stage.cluster;
  const links = members
    .filter((other) => other !== leader)
    .flatMap((other) => [[leader, other] as const, [other, leader] as const])
    .filter(([from, to]) => !network.isCut(from, to));
  for (const [from, to] of links) network.setCut(from, to, true);
  const { still } = stage;
  const before = new Set(still);
  for (const member of members) if (member !== leader) still.add(member);
  still.delete(leader);
  const leads = (): boolean => stage.node(leader).opened?.replica.status().role === 'leader';
  await stage.until(() => !leads(), electionMsMax, `${leader} lets go`);
  for (const [from, to] of links) network.setCut(from, to, false);
  still.clear();
  for (const node of before) still.add(node);
}

/** Clients leave the leader alone, until whoever is to lead next has all that it has: else it could not win. */
async function catchUp(stage: Stage, leader: NodeId, name: NodeId): Promise<void> {
  const lastIndexOf = (node: NodeId): number => {
    const { opened } = stage.node(node);
    return opened === undefined ? -1 : opened.protocol.status(opened.protocolState).lastIndex;
  };
  const isEven = (): boolean => lastIndexOf(name) >= lastIndexOf(leader);
  const { network } = stage.cluster;
  if (network.isCut(leader, name)) return;
  for (const client of stage.clients.keys()) network.setCut(client, leader, true);
  await stage.until(isEven, electionMsMax, `${name} has all that ${leader} has`);
}

/** Lets only the timers of `name` run until it leads, and the others have heard so. */
async function lead(stage: Stage, name: string): Promise<void> {
  const leader = stage.cluster.leader();
  if (leader !== undefined && leader !== name && !stage.node(leader).isPaused) {
    await catchUp(stage, leader, stage.node(name).name);
    await depose(stage, leader);
    for (const client of stage.clients.keys()) stage.cluster.network.setCut(client, leader, false);
  }
  const { still } = stage;
  const before = new Set(still);
  for (const node of stage.cluster.nodes) if (node.name !== name) still.add(node.name);
  still.delete(stage.node(name).name);
  await stage.until(() => stage.leads(name), electionMsMax, `${name} leads`);
  await stage.run(newsMs);
  still.clear();
  for (const node of before) if (node !== name) still.add(node);
  stage.say(`${name} leads`);
}

/** Asks the leader to hand over, and tells what became of that. */
async function transfer(stage: Stage, to: NodeId, timeoutMs: number): Promise<void> {
  const { speaker } = stage;
  const client = await stage.client(speaker);
  try {
    await client.transfer(to, { timeoutMs });
    stage.say(`client ${speaker}: transfer to ${to} -> ok`);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    stage.say(`client ${speaker}: transfer to ${to} -> ${error.code}`);
  }
}

export const leadershipVerbs: readonly Verb[] = [
  verb('lead NODE', (stage, { NODE }) => lead(stage, NODE)),
  verb('transfer to NODE within TIME', (stage, { NODE, TIME }) =>
    stage.finish(transfer(stage, stage.node(NODE).name, durationMs(TIME))),
  ),
  /** Asks, and does not wait. */
  verb('begin transfer to NODE within TIME', (stage, { NODE, TIME }) => {
    stage.begin(transfer(stage, stage.node(NODE).name, durationMs(TIME)));
  }),
  /** Begins nothing by itself any more, but goes on answering. */
  verb('hold timers of NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.still.add(name);
  }),
  verb('free timers of NODES', (stage, { NODES }) => {
    for (const { name } of stage.nodes(NODES)) stage.still.delete(name);
  }),
  verb('expect NODE leads', (stage, { NODE }) => {
    if (!stage.leads(NODE)) throw new ScenarioFailure(`${stage.cluster.leader() ?? 'nobody'} leads`);
  }),
  verb('expect NODE does not lead', (stage, { NODE }) => {
    const role = stage.node(NODE).opened?.replica.status().role;
    if (role === 'leader') throw new ScenarioFailure(`${NODE} leads`);
  }),
  verb('expect nobody leads', (stage) => {
    const leader = stage.cluster.leader();
    if (leader !== undefined) throw new ScenarioFailure(`${leader} leads`);
  }),
  verb('expect NODE steps down within TIME', (stage, { NODE, TIME }) => {
    const isDown = (): boolean => stage.node(NODE).opened?.replica.status().role !== 'leader';
    return stage.until(isDown, durationMs(TIME), `${NODE} steps down`);
  }),
  verb('expect one of NODES leads within TIME', (stage, { NODES, TIME }) => {
    const names = stage.nodes(NODES).map(({ name }) => name as string);
    const leads = (): boolean => names.includes(stage.cluster.leader() ?? '');
    return stage.until(leads, durationMs(TIME), `one of ${NODES} leads`);
  }),
  /** What is expected of elections counts from here. */
  verb('watch elections', (stage) => {
    stage.seen = { leaders: stage.watch.leaders.length, reigns: stage.watch.reigns.size };
  }),
  verb('expect at most NUMBER new leaders', (stage, { NUMBER }) => {
    const count = stage.watch.leaders.length - stage.seen.leaders;
    if (count > wholeNumber(NUMBER)) throw new ScenarioFailure(`there were ${count} new leaders`);
  }),
  verb('expect at most NUMBER new reigns', (stage, { NUMBER }) => {
    const count = stage.watch.reigns.size - stage.seen.reigns;
    if (count > wholeNumber(NUMBER)) throw new ScenarioFailure(`there were ${count} new reigns`);
  }),
];
