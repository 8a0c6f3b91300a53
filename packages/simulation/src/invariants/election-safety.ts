/**
 * Election Safety: at most one leader per reign. [Raft fig. 3], [PaxosSimple §2.2]
 *
 * One leader is one life of one node. A proposer that forgot its ballot in a restart and uses it again
 * is a second one, for it does not know what the first proposed.
 */
import type { InvariantMemory, NodeView } from './memory.ts';

export function electionSafety(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  for (const { node, life, role, reign } of views) {
    if (role !== 'leader') continue;
    const known = memory.leaderOfReign.get(reign);
    if (known === undefined) memory.leaderOfReign.set(reign, { node, life });
    else if (known.node !== node || known.life !== life) {
      return `${node} (life ${life}) leads in reign ${reign}, and so did ${known.node} (life ${known.life})`;
    }
  }
  return undefined;
}
