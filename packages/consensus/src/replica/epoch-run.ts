/**
 * One epoch at work in a replica: its protocol, stepped one input at a time, and what must be durable for it.
 *
 * Whatever happens becomes an input; whatever the protocol answers is an effect. The order of effects is
 * kept: that is what makes a reply wait for its write. Writes and messages are carried out here, the
 * rest is the replica's.
 */
import { type Clock, invariant, type NodeId } from '@quorate/core';
import type { LogRecord, WriteAheadLog } from '@quorate/storage';
import type { Ask, Page } from '../learner/message.ts';
import { pageFor } from '../learner/teacher.ts';
import type { Effect, Input, Outgoing, Protocol, ProtocolStatus } from '../protocol.ts';
import type { Epoch, Standing } from './epoch.ts';
import type { ReplicaMessage } from './message.ts';

type AnyEffect = Effect<unknown>;
/** What a run leaves to the replica. */
export type RunEffect = Exclude<AnyEffect, { readonly type: 'persist' | 'send' }>;
export type InstallEffect = AnyEffect & { readonly type: 'install' };

export interface EpochRunParts {
  readonly group: number;
  readonly epoch: Epoch;
  readonly standing: Standing;
  readonly clock: Clock;
  readonly log: WriteAheadLog;
  readonly protocol: Protocol<unknown, unknown>;
  readonly protocolState: unknown;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  readonly carryOut: (run: EpochRun, effect: RunEffect) => void;
  /** Nothing that this run says holds any more. */
  readonly failed: (error: unknown) => void;
}

export class EpochRun {
  readonly #parts: EpochRunParts;
  readonly #inputs: Input<unknown>[] = [];
  #isStepping = false;
  #isStopped = false;

  constructor(parts: EpochRunParts) {
    this.#parts = parts;
  }

  get epoch(): Epoch {
    return this.#parts.epoch;
  }

  get standing(): Standing {
    return this.#parts.standing;
  }

  get protocol(): Protocol<unknown, unknown> {
    return this.#parts.protocol;
  }

  get protocolState(): unknown {
    return this.#parts.protocolState;
  }

  /** Its end has come: nobody is served by it any more. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  status(): ProtocolStatus {
    return this.#parts.protocol.status(this.#parts.protocolState);
  }

  /** Who leads; at the very beginning of an epoch, whom it appointed. */
  get leaderHint(): NodeId | undefined {
    const { members, base, appointed } = this.#parts.epoch;
    const { leader, commitIndex, role } = this.status();
    if (leader !== undefined || role !== 'follower') return leader;
    const hint = commitIndex === base ? appointed : undefined;
    invariant(hint === undefined || members.includes(hint), 'a member was appointed');
    return hint;
  }

  isMember(node: NodeId): boolean {
    return this.#parts.epoch.members.includes(node);
  }

  /** A message of this epoch, from one of its members. @throws CodedError ERR_FRAME_INVALID */
  receive(from: NodeId, wire: unknown): void {
    this.input({ type: 'receive', from, message: this.#parts.protocol.decodeMessage(wire) });
  }

  /** What a learner of this epoch asks for; undefined when the log has forgotten it. */
  pageFor(ask: Ask, bytesMax: number): Page | undefined {
    return pageFor(this.#parts.protocol, this.#parts.protocolState, ask, bytesMax);
  }

  input(input: Input<unknown>): void {
    if (this.#isStopped) return;
    this.#inputs.push(input);
    // An effect may bring the next input about while this one is still being carried out.
    if (this.#isStepping) return;
    this.#isStepping = true;
    const { protocol, protocolState, clock, failed } = this.#parts;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const effects: AnyEffect[] = [];
        protocol.step(protocolState, next, clock.nowMs(), effects);
        for (const effect of effects) this.#run(effect);
      }
    } catch (error) {
      // Only a bug gets here. A replica whose protocol broke an invariant can promise nothing more.
      failed(error);
    } finally {
      this.#isStepping = false;
    }
  }

  /** The only place where what waits for the disk is let go. */
  durable(effect: AnyEffect & { type: 'persist' | 'install' }): void {
    if (this.#isStopped) return;
    try {
      for (const outgoing of effect.thenSend) this.#send(outgoing);
    } catch (error) {
      return this.#parts.failed(error);
    }
    this.input({ type: 'persisted', mark: effect.mark });
  }

  /** Ends the run: it is stepped no more, and nothing that waits for the disk leaves. */
  stop(): void {
    this.#isStopped = true;
    this.#inputs.length = 0;
  }

  #run(effect: AnyEffect): void {
    switch (effect.type) {
      case 'persist':
        return this.#persist(effect);
      case 'send':
        return this.#send(effect);
      default:
        return this.#parts.carryOut(this, effect);
    }
  }

  #persist(effect: AnyEffect & { type: 'persist' }): void {
    if (this.#isStopped) return;
    const { group, log } = this.#parts;
    const epoch = this.#parts.epoch.number;
    const records: LogRecord[] = [];
    if (effect.hardState !== undefined)
      records.push({ type: 'hard-state', group, epoch, state: effect.hardState });
    if (effect.truncateAfter !== undefined)
      records.push({ type: 'truncate', group, epoch, after: effect.truncateAfter });
    if (effect.entries.length > 0) records.push({ type: 'entries', group, epoch, entries: effect.entries });
    log.append(records, () => this.durable(effect));
  }

  #send({ to, message }: Outgoing<unknown>): void {
    const { group, protocol, standing } = this.#parts;
    const type = standing === 'voter' ? 'protocol' : 'learning';
    const epoch = this.#parts.epoch.number;
    this.#parts.send(to, { type, group, epoch, wire: protocol.encodeMessage(message) });
  }
}
