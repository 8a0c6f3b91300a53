/** One member of a Multi-Paxos group, driven by hand: its disk syncs when told, its messages go nowhere. */
import type { NodeId } from '@quorate/core';
import { DurableStore } from '../../src/conformance/durable-store.ts';
import type { Ballot, Slot } from '../../src/multi-paxos/ballot.ts';
import { ballotOf, noBallot } from '../../src/multi-paxos/ballot.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { Effect, Entry, Input, ProtocolOptions } from '../../src/protocol.ts';

type Message = MultiPaxosMessage;
type Sent = Message & { readonly to: string };

export class Member {
  readonly options: ProtocolOptions;
  readonly store = new DurableStore();
  nowMs = 0;
  /** Everything that has left, in order; `take` empties it. */
  #sent: Sent[] = [];
  #effects: Effect<Message>[] = [];
  #state: ReturnType<typeof multiPaxos.start>;

  constructor(
    self = 'b',
    members: readonly string[] = ['a', 'b', 'c'],
    options: Partial<ProtocolOptions> = {},
  ) {
    this.options = {
      self: self as NodeId,
      members: members as NodeId[],
      electionTimeoutMs: [150, 300],
      heartbeatMs: 50,
      appendBytesMax: 10_000,
      appendsInFlightMax: 4,
      uncommittedBytesMax: 100_000,
      seed: 1,
      ...options,
    };
    this.#state = multiPaxos.start(this.options, this.store.recover(), this.nowMs);
    // Who has just started answers no proposer for a while. Here that is over, unless a restart begins it anew.
    this.nowMs += this.options.electionTimeoutMs[0];
  }

  get status() {
    return multiPaxos.status(this.#state);
  }

  /** The whole state, for what no message tells. */
  get inside(): ReturnType<typeof multiPaxos.start> {
    return this.#state;
  }

  get view() {
    return multiPaxos.inspect(this.#state);
  }

  /** Power off and on again: what was not synced is gone. */
  restart(): void {
    this.store.loseUnsynced();
    this.#sent = [];
    this.#effects = [];
    this.#state = multiPaxos.start({ ...this.options, seed: 2 }, this.store.recover(), this.nowMs);
  }

  /** What is to be made durable stays undone until `sync`. */
  step(input: Input<Message>): readonly Effect<Message>[] {
    const effects: Effect<Message>[] = [];
    multiPaxos.step(this.#state, input, this.nowMs, effects);
    for (const effect of effects) {
      if (effect.type === 'send') this.#sent.push({ to: effect.to, ...effect.message });
      if (effect.type === 'persist' || effect.type === 'install') this.store.write(effect);
    }
    this.#effects.push(...effects);
    return effects;
  }

  receive(from: string, message: Message): readonly Effect<Message>[] {
    const decoded = multiPaxos.decodeMessage(multiPaxos.encodeMessage(message));
    return this.step({ type: 'receive', from: from as NodeId, message: decoded });
  }

  propose(...texts: string[]): readonly Effect<Message>[] {
    return this.step({
      type: 'propose',
      proposals: texts.map((text) => ({ timeMs: 1, payload: bytes(text) })),
    });
  }

  /** Lets time pass in ticks. */
  pass(durationMs: number): void {
    const end = this.nowMs + durationMs;
    while (this.nowMs < end) {
      this.nowMs = Math.min(end, this.nowMs + 10);
      this.step({ type: 'tick' });
    }
  }

  /** Makes everything durable, and lets go what waited for it. */
  sync(): void {
    while (this.store.unsyncedCount > 0) {
      const write = this.store.syncNext() as Effect<Message> & { readonly type: 'persist' | 'install' };
      for (const { to, message } of write.thenSend) this.#sent.push({ to, ...message });
      this.step({ type: 'persisted', mark: write.mark });
    }
  }

  /** What has left since the last call, of one type. */
  take<T extends Message['type']>(type: T): (Message & { readonly type: T; readonly to: string })[] {
    const taken = this.#sent.filter((message) => message.type === type);
    this.#sent = this.#sent.filter((message) => message.type !== type);
    return taken as (Message & { readonly type: T; readonly to: string })[];
  }

  forgetSent(): void {
    this.#sent = [];
  }

  /** The texts that this member called chosen since its start, `-` for a no-op. */
  get chosen(): string[] {
    return this.#effects.flatMap((effect) => (effect.type === 'committed' ? effect.entries.map(textOf) : []));
  }

  /** Stands, is granted by members that have promised `promised`, and has its own promise durable: in phase 1, nothing heard yet. */
  prepares(promised = 0 as Ballot): Ballot {
    this.pass(310);
    for (const { to, canvass } of this.take('canvass')) {
      this.receive(to, { type: 'canvass-reply', canvass, granted: true, promised });
      if (this.status.role === 'candidate') break;
    }
    this.sync();
    return this.status.reign;
  }

  /** Leads with empty promises of everybody else that `promises` does not name. */
  leads(promises: Readonly<Record<string, readonly Entry[]>> = {}, promised = 0 as Ballot): Ballot {
    const ballot = this.prepares(promised);
    for (const { to, fromSlot } of this.take('prepare')) {
      const accepted = promises[to] ?? [];
      this.receive(to, promise(ballot, { fromSlot, accepted }));
    }
    return ballot;
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(entry: Entry): string {
  return entry.payload.length === 0 ? '-' : new TextDecoder().decode(entry.payload);
}

/** The ballot of `round` that belongs to the member with this ordinal. */
export function ballot(round: number, ordinal: number): Ballot {
  return ballotOf({ round, ordinal });
}

export function slot(number: number): Slot {
  return number as Slot;
}

export function entry(index: number, reign: Ballot, text: string): Entry {
  return { index: slot(index), reign, timeMs: 1, payload: bytes(text) };
}

export function promise(
  ballot: Ballot,
  rest: { readonly fromSlot?: Slot; readonly accepted?: readonly Entry[]; readonly chosenUpTo?: Slot } = {},
): Message {
  return {
    type: 'promise',
    ballot,
    fromSlot: rest.fromSlot ?? slot(1),
    nextPage: undefined,
    chosenUpTo: rest.chosenUpTo ?? slot(0),
    accepted: rest.accepted ?? [],
  };
}

export function accept(ballot: Ballot, entries: readonly Entry[], chosenUpTo = 0): Message {
  return { type: 'accept', ballot, chosenUpTo: slot(chosenUpTo), entries };
}

export function accepted(ballot: Ballot, first: number, last = first): Message {
  return { type: 'accepted', ballot, first: slot(first), last: slot(last) };
}

export function prepare(ballot: Ballot, fromSlot = 1, gaveWay = noBallot): Message {
  return { type: 'prepare', ballot, fromSlot: slot(fromSlot), gaveWay };
}

export function heartbeat(ballot: Ballot, chosenUpTo = 0, round = 1, rests = false): Message {
  return { type: 'heartbeat', ballot, round, chosenUpTo: slot(chosenUpTo), rests };
}
