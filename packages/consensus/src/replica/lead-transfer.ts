/**
 * The handing over of the lead, as clients asked for it: who waits to hear of it, and how it ended.
 *
 * The lead goes one way at a time. Whoever wants it to go the same way waits with the others, whoever wants it
 * to go another way is told to ask again, which is then the next leader's business. [RaftThesis §3.10]
 */
import type { NodeId } from '@quorate/core';
import type { EpochRun } from './epoch-run.ts';
import { type Asker, answer, refuse, reject } from './waiting-clients.ts';

export class LeadTransfer {
  readonly #self: NodeId;
  #pending: { readonly askers: readonly Asker[]; readonly to: NodeId } | undefined;

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** This replica leads `run`. Every order is answered. */
  begin(asker: Asker, to: NodeId, run: EpochRun): void {
    if (!run.isMember(to)) {
      const members = run.epoch.members.join(', ');
      return reject(asker, 'ERR_OPTION_INVALID', `${to} is no member; members are ${members}`);
    }
    if (to === this.#self) return answer(asker, { type: 'transferred', request: asker.request });
    const pending = this.#pending;
    if (pending !== undefined && pending.to !== to)
      return refuse(asker, 'ERR_OVERLOADED', `the lead is on its way to ${pending.to}`, undefined);
    this.#pending = { askers: [...(pending?.askers ?? []), asker], to };
    if (pending === undefined) run.input({ type: 'transfer', to });
  }

  /** Someone leads now, or nobody is known to and this replica has no say any more. */
  ended(leader: NodeId | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    for (const asker of pending?.askers ?? []) {
      if (pending?.to === leader) answer(asker, { type: 'transferred', request: asker.request });
      else refuse(asker, 'ERR_NOT_LEADER', 'the lead went another way', leader);
    }
  }

  /** The lead stayed here. */
  failed(to: NodeId): void {
    const pending = this.#pending;
    this.#pending = undefined;
    for (const asker of pending?.askers ?? [])
      reject(asker, 'ERR_NO_QUORUM', `the lead could not be handed over to ${to}`);
  }
}
