/**
 * The end of a node's thread in the middle of whatever it does, and its return on the data that it left.
 */
import type { Scene, Struck } from './fault.ts';

/** Without a disk the node stays away: a blank one has forgotten its vote, and could give it twice. */
export async function killNode(node: string, { faults, isDurable }: Scene): Promise<Struck> {
  await faults.kill(node);
  return { target: node, mend: isDurable ? () => faults.restart(node) : undefined };
}
