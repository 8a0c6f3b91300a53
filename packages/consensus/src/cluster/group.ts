/**
 * A group as an app sees it: one replicated state machine of the several that the nodes of a cluster carry.
 *
 * Groups share nodes, log, links and the watch over nodes, and nothing else: each has its own leader, its own
 * order of commands and its own sessions. There is no order between commands of different groups.
 */
import { optionInvalid } from '@quorate/core';
import type { AnswerOf, CommandOf, QueryOf, ResultOf, StateMachineDefinition } from '../state-machine.ts';
import type { Client } from './client.ts';
import type { ClusterStatus } from './cluster-status.ts';
import type { EpochControl, GroupOrder } from './epoch-control.ts';
import type { QueryOptions } from './queries.ts';
import type { Session } from './session.ts';
import type { CallOptions } from './waiting-call.ts';

// biome-ignore lint/suspicious/noExplicitAny: stands for a definition of any types
type AnyDefinition = StateMachineDefinition<any, any, any, any>;

export interface GroupParts {
  readonly number: number;
  readonly client: Client;
  readonly epochs: EpochControl;
  readonly status: () => ClusterStatus;
}

/** One of the groups of a cluster: see `Cluster.group`. */
export class Group<D extends AnyDefinition = StateMachineDefinition> {
  readonly #parts: GroupParts;
  readonly #session: Session<CommandOf<D>, QueryOf<D>, ResultOf<D>, AnswerOf<D>>;

  constructor(parts: GroupParts) {
    this.#parts = parts;
    this.#session = this.session();
  }

  /** 0 for the first. */
  get number(): number {
    return this.#parts.number;
  }

  /** See {@link Session.propose}; under an identity that lives as long as this object. */
  propose(command: CommandOf<D>, options?: CallOptions): Promise<ResultOf<D>> {
    return this.#session.propose(command, options);
  }

  /** See {@link Session.query}. */
  query(query: QueryOf<D>, options?: QueryOptions): Promise<AnswerOf<D>> {
    return this.#session.query(query, options);
  }

  /**
   * Another exactly-once identity, with reads that never go back behind what it has seen. A name outlives
   * the process: opening it again settles everything that a former holder had under way, which from then on
   * has either happened or never will. `close()` it when it is of no more use: the cluster keeps a table of them.
   */
  session(name?: string): Session<CommandOf<D>, QueryOf<D>, ResultOf<D>, AnswerOf<D>> {
    return this.#parts.client.session(name) as Session<CommandOf<D>, QueryOf<D>, ResultOf<D>, AnswerOf<D>>;
  }

  /** How this group stands. */
  status(): ClusterStatus {
    return this.#parts.status();
  }

  /**
   * Hands the lead of this group to `node`, which leads it when this resolves. Commands that arrive meanwhile wait
   * a moment.
   *
   * @throws CodedError `ERR_OPTION_INVALID` (no member), `ERR_NO_QUORUM` (the lead stayed or went elsewhere),
   * `ERR_OVERLOADED` (it was on its way to another until the deadline), `ERR_ABORTED`, `ERR_STOPPED` (nothing was
   * asked), `ERR_OUTCOME_UNKNOWN` (no answer in time)
   */
  async transferLeadership(node: string, options: CallOptions = {}): Promise<void> {
    const { client, epochs } = this.#parts;
    const to = epochs.nodes.find((name) => name === node);
    if (to === undefined) throw optionInvalid('node', node, epochs.nodes.join(', '));
    await client.transfer(to, options);
  }

  /**
   * Changes the algorithm of this group alone, while it serves; members change with the whole cluster. Resolves
   * with the number of the group's new epoch when that has a leader. It waits for its turn among the orders of the whole
   * cluster.
   *
   * @throws CodedError as `Cluster.reconfigure`
   */
  async reconfigure(order: GroupOrder, options: CallOptions = {}): Promise<number> {
    return this.#parts.epochs.reconfigureGroup(this.#parts.number, order, options);
  }
}
