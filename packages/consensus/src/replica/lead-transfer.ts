/**
 * The handing over of the lead, as a client asked for it: who waits to hear of it, and how it ended.
 * [RaftThesis §3.10]
 */
import type { NodeId } from '@quorate/core';
import type { EpochRun } from './epoch-run.ts';
import { type Asker, answer, refuse, reject } from './waiting-clients.ts';

export class LeadTransfer {
  readonly #self: NodeId;
  #pending: { readonly asker: Asker; readonly to: NodeId } | undefined;

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** This replica leads `run`. A second order takes the place of the first. */
  begin(asker: Asker, to: NodeId, run: EpochRun): void {
    if (!run.isMember(to)) {
      const members = run.epoch.members.join(', ');
      return reject(asker, 'ERR_OPTION_INVALID', `${to} is no member; members are ${members}`);
    }
    if (to === this.#self) return answer(asker, { type: 'transferred', request: asker.request });
    this.#pending = { asker, to };
    run.input({ type: 'transfer', to });
  }

  /** Someone leads now, or nobody is known to and this replica has no say any more. */
  ended(leader: NodeId | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    const { asker, to } = pending;
    if (to === leader) answer(asker, { type: 'transferred', request: asker.request });
    else refuse(asker, 'ERR_NOT_LEADER', 'the lead went another way', leader);
  }

  /** The lead stayed here. */
  failed(to: NodeId): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined)
      reject(pending.asker, 'ERR_NO_QUORUM', `the lead could not be handed over to ${to}`);
  }
}
