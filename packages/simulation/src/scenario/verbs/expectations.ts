/** Verbs that say what must hold of the nodes. What must hold of elections stands with leadership. */
import { errorCodes } from '@quorate/core';
import type { SimulatedNode } from '../../simulated-node.ts';
import { ScenarioFailure, type Stage } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

function valueOn(stage: Stage, node: SimulatedNode, key: string): number | null {
  const found = stage.auditOf(node)?.values.find(([id]) => id === key.charCodeAt(0));
  return found?.[1] ?? null;
}

/** All that are up have applied the same, and it is what clients were told. */
async function agree(stage: Stage, withinMs: number): Promise<void> {
  const upNodes = (): SimulatedNode[] =>
    stage.cluster.nodes.filter(({ name, opened }) => opened !== undefined && !stage.stopped.has(name));
  const applied = ({ opened }: SimulatedNode): string => {
    const status = opened?.replica.status();
    return `${status?.appliedIndex} of ${status?.commitIndex}`;
  };
  const isEven = (): boolean => {
    const positions = upNodes().map((node) => applied(node));
    const [appliedIndex, , commitIndex] = positions[0]?.split(' ') ?? [];
    return appliedIndex === commitIndex && positions.every((one) => one === positions[0]);
  };
  await stage.until(isEven, withinMs, 'the replicas agree');
  const [first, ...others] = upNodes();
  if (first === undefined) throw new ScenarioFailure('no node is up');
  const audit = stage.auditOf(first);
  for (const node of others) {
    if (JSON.stringify(stage.auditOf(node)) === JSON.stringify(audit)) continue;
    throw new ScenarioFailure(`${node.name} and ${first.name} applied the same and hold different states`);
  }
  const wrong = audit === undefined ? 'nothing was applied' : stage.conversation.judgeState(audit);
  if (wrong !== undefined) throw new ScenarioFailure(wrong);
}

export const expectationVerbs: readonly Verb[] = [
  verb('expect replicas agree within TIME', (stage, { TIME }) => agree(stage, durationMs(TIME))),
  /** Whether or not anybody was told. */
  verb('expect NODE has applied KEY VALUE within TIME', (stage, { NODE, KEY, VALUE, TIME }) => {
    const has = (): boolean => valueOn(stage, stage.node(NODE), KEY) === wholeNumber(VALUE);
    return stage.until(has, durationMs(TIME), `${NODE} has applied ${KEY} ${VALUE}`);
  }),
  verb('expect NODE has not applied KEY VALUE', (stage, { NODE, KEY, VALUE }) => {
    if (valueOn(stage, stage.node(NODE), KEY) !== wholeNumber(VALUE)) return;
    throw new ScenarioFailure(`${NODE} has applied ${KEY} ${VALUE}`);
  }),
  verb('expect NODE stops with CODE within TIME', async (stage, { NODE, CODE, TIME }) => {
    if (!Object.hasOwn(errorCodes, CODE)) throw new ScenarioFailure(`no error has the code ${CODE}`);
    await stage.until(() => stage.stopped.has(stage.node(NODE).name), durationMs(TIME), `${NODE} stops`);
    const found = stage.stopped.get(stage.node(NODE).name);
    if (found !== CODE) throw new ScenarioFailure(`${NODE} stopped with ${found}`);
  }),
  /** Counted from the start: whoever gets one after the other never catches up. */
  verb('expect at most NUMBER snapshots to NODE', (stage, { NUMBER, NODE }) => {
    const count = stage.snapshotsTo.get(stage.node(NODE).name) ?? 0;
    if (count > wholeNumber(NUMBER)) throw new ScenarioFailure(`${count} snapshots were sent to ${NODE}`);
  }),
  verb('expect at least NUMBER snapshots to NODE', (stage, { NUMBER, NODE }) => {
    const count = stage.snapshotsTo.get(stage.node(NODE).name) ?? 0;
    if (count < wholeNumber(NUMBER)) throw new ScenarioFailure(`${count} snapshots were sent to ${NODE}`);
  }),
  /** At any moment so far, committed and not applied. */
  verb('expect at most NUMBER bytes waited on NODE', (stage, { NUMBER, NODE }) => {
    const most = stage.unappliedMost.get(stage.node(NODE).name) ?? 0;
    if (most > wholeNumber(NUMBER)) throw new ScenarioFailure(`${most} bytes waited on ${NODE}`);
  }),
  verb('expect at least NUMBER bytes waited on NODE', (stage, { NUMBER, NODE }) => {
    const most = stage.unappliedMost.get(stage.node(NODE).name) ?? 0;
    if (most < wholeNumber(NUMBER)) throw new ScenarioFailure(`no more than ${most} bytes waited on ${NODE}`);
  }),
  verb('expect NODES run', (stage, { NODES }) => {
    for (const { name, opened } of stage.nodes(NODES)) {
      if (opened === undefined || stage.stopped.has(name)) throw new ScenarioFailure(`${name} does not run`);
    }
  }),
];
