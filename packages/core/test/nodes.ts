/** Nodes in one thread under one manual clock, each linked to each by loopback. */
import { type NodeId, NodeRuntime, type NodeRuntimeOptions, seededRandom } from '../src/index.ts';
import { type ConditionedLink, conditionedLink } from '../src/link/conditions.ts';
import { loopbackLink } from '../src/link/loopback.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';

export interface Nodes {
  readonly clock: ManualClock;
  node(name: string): NodeRuntime;
  link(from: string, to: string): ConditionedLink;
}

export function nodes(names: readonly string[], options: Partial<NodeRuntimeOptions> = {}): Nodes {
  const clock = manualClock();
  const random = seededRandom(1);
  const runtimes = new Map<string, NodeRuntime>();
  const links = new Map<string, ConditionedLink>();
  const get = <V>(map: Map<string, V>, key: string): V => {
    const value = map.get(key);
    if (value === undefined) throw new Error(`no ${key}`);
    return value;
  };
  for (const name of names) {
    const runtime = new NodeRuntime({ node: name as NodeId, clock, random: random.fork(name), ...options });
    runtimes.set(name, runtime);
  }
  for (const from of names) {
    for (const to of names) {
      if (from === to) continue;
      const straight = loopbackLink(clock, (frame) => get(runtimes, to).receiveFrame(from as NodeId, frame));
      const link = conditionedLink(straight, { clock, random: random.fork(`${from}>${to}`) });
      links.set(`${from}>${to}`, link);
      get(runtimes, from).attachLink(to as NodeId, link);
    }
  }
  return {
    clock,
    node: (name) => get(runtimes, name),
    link: (from, to) => get(links, `${from}>${to}`),
  };
}
