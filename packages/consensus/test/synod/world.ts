/**
 * A world of Synod participants: a bag of messages, a disk each, and everything that was ever said or accepted.
 *
 * Nothing happens by itself. A test takes messages out of the bag in any order, more than once or never, lets
 * writes become durable one by one, and takes processes down, which keeps only what is durable. What may
 * be broken on purpose comes in as `Rules`.
 */
import type { NodeId } from '@quorate/core';
import {
  type Effect,
  type Outgoing,
  type Participant,
  type ParticipantInput,
  type Proposal,
  type StableStorage,
  type Step,
  startParticipant,
  stepParticipant,
  writtenTo,
} from '../../src/synod/index.ts';

export interface Envelope extends Outgoing<string> {
  readonly from: NodeId;
}

type Write = Extract<Effect<string>, { type: 'persist' }>;

interface Member {
  readonly id: NodeId;
  /** Undefined while it is down. */
  participant: Participant<string> | undefined;
  storage: StableStorage<string>;
  unsynced: Write[];
  learned: string[];
}

/** The protocol as the world runs it: ours, or ours with one thing broken. */
export interface Rules {
  readonly start: typeof startParticipant<string>;
  readonly step: (
    participant: Participant<string>,
    input: ParticipantInput<string>,
  ) => Step<Participant<string>, string>;
  /** Sends what a write promises without waiting for it. */
  readonly sendsBeforeDurable?: boolean;
}

export const textbook: Rules = { start: startParticipant, step: stepParticipant };

const blank: StableStorage<string> = { proposer: undefined, acceptor: undefined };

export class World {
  readonly members: readonly Member[];
  /** Messages under way, oldest first. */
  bag: Envelope[] = [];
  /** Every value that a client asked for. */
  readonly asked = new Set<string>();
  /** Every proposal that was ever sent out for acceptance. */
  readonly issued: Proposal<string>[] = [];
  /** Every acceptance that ever became durable, in order. */
  readonly accepted: { readonly acceptor: NodeId; readonly proposal: Proposal<string> }[] = [];
  readonly #rules: Rules;

  constructor(names: readonly string[], rules = textbook) {
    this.#rules = rules;
    this.members = names.map((name) => ({
      id: name as NodeId,
      participant: undefined,
      storage: blank,
      unsynced: [],
      learned: [],
    }));
    for (const { id } of this.members) this.restart(id);
  }

  get ids(): readonly NodeId[] {
    return this.members.map(({ id }) => id);
  }

  member(id: string): Member {
    const member = this.members.find((other) => other.id === id);
    if (member === undefined) throw new Error(`no process ${id}`);
    return member;
  }

  propose(id: string, value: string): void {
    this.asked.add(value);
    this.#step(this.member(id), { type: 'propose', value });
  }

  /** Delivers the message and leaves it in the bag, or takes it out. Who is down does not hear it. */
  deliver(envelope: Envelope, leaves: 'taken' | 'doubled' = 'taken'): void {
    if (leaves === 'taken') this.bag = this.bag.filter((other) => other !== envelope);
    const { from, to, message } = envelope;
    this.#step(this.member(to), { type: 'receive', from, message });
  }

  /** Makes the oldest write of a process durable. */
  sync(id: string): void {
    const member = this.member(id);
    const write = member.unsynced.shift();
    if (write === undefined) return;
    member.storage = writtenTo(member.storage, write.record);
    if (write.record.role === 'acceptor') this.#noteAcceptance(id, write.record.accepted);
    if (this.#rules.sendsBeforeDurable !== true) this.#post(member.id, write.thenSend);
  }

  crash(id: string): void {
    const member = this.member(id);
    member.participant = undefined;
    member.unsynced = [];
  }

  restart(id: string): void {
    const member = this.member(id);
    member.participant ??= this.#rules.start({ self: member.id, participants: this.ids }, member.storage);
  }

  /** Syncs and delivers, oldest first, until nothing is left but what `isLost`. */
  drain(isLost: (envelope: Envelope) => boolean = () => false): void {
    for (;;) {
      for (const { id, unsynced } of this.members) while (unsynced.length > 0) this.sync(id);
      const next = this.bag[0];
      if (next === undefined) return;
      if (isLost(next)) this.bag.shift();
      else this.deliver(next);
    }
  }

  #step(member: Member, input: ParticipantInput<string>): void {
    if (member.participant === undefined) return;
    const { state, effects } = this.#rules.step(member.participant, input);
    member.participant = state;
    for (const effect of effects) {
      switch (effect.type) {
        case 'persist':
          member.unsynced.push(effect);
          if (this.#rules.sendsBeforeDurable === true) this.#post(member.id, effect.thenSend);
          break;
        case 'send':
          this.#post(member.id, [effect]);
          break;
        case 'learned':
          member.learned.push(effect.value);
      }
    }
  }

  #post(from: NodeId, outgoing: readonly Outgoing<string>[]): void {
    for (const { to, message } of outgoing) {
      this.bag.push({ from, to, message });
      if (message.type === 'accept') this.issued.push(message.proposal);
    }
  }

  #noteAcceptance(id: string, proposal: Proposal<string> | undefined): void {
    const acceptor = id as NodeId;
    if (proposal !== undefined) this.accepted.push({ acceptor, proposal });
  }
}
