/**
 * One Raft server alone, with the test as its network, its disk and its clock.
 *
 * What the server writes waits until `sync`; what it says is what the test reads from `said`.
 */
import type { NodeId } from '@quorate/core';
import type { Effect, Entry, Input, LogIndex, ProtocolOptions, Reign } from '../../src/protocol.ts';
import { encodeHardState } from '../../src/raft/hard-state.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { raft } from '../../src/raft/raft.ts';
import type { RaftState } from '../../src/raft/state.ts';

type Write = Effect<RaftMessage> & { readonly type: 'persist' | 'install' };

export interface Said {
  readonly to: string;
  readonly message: RaftMessage;
}

export interface Past {
  readonly members?: readonly string[];
  readonly term?: number;
  readonly votedFor?: string;
  /** The term of each entry, from the snapshot on. */
  readonly terms?: readonly number[];
  readonly snapshot?: { readonly index: number; readonly term: number };
  readonly options?: Partial<ProtocolOptions>;
}

export class LoneServer {
  readonly state: RaftState;
  nowMs = 1_000;
  /** Everything that left, oldest first; cleared by `listen`. */
  said: Said[] = [];
  /** Every effect but sends and writes, oldest first; cleared by `listen`. */
  effects: Effect<RaftMessage>[] = [];
  readonly unsynced: Write[] = [];

  constructor(past: Past = {}) {
    const { term = 0, terms = [], snapshot = { index: 0, term: 0 }, votedFor, options = {} } = past;
    const last = terms.at(-1) ?? snapshot.term;
    this.state = raft.start(
      {
        self: 'a' as NodeId,
        members: (past.members ?? ['a', 'b', 'c']) as NodeId[],
        electionTimeoutMs: [150, 300],
        heartbeatMs: 50,
        appendBytesMax: 1_024,
        appendsInFlightMax: 4,
        uncommittedBytesMax: 4_096,
        seed: 7,
        ...options,
      },
      {
        hardState: encodeHardState({
          currentTerm: Math.max(term, last) as Reign,
          votedFor: votedFor as NodeId | undefined,
        }),
        snapshot: { index: snapshot.index as LogIndex, reign: snapshot.term as Reign },
        entries: entriesOf(terms, snapshot.index),
      },
      this.nowMs,
    );
  }

  get status() {
    return raft.status(this.state);
  }

  /** The terms of the log above the snapshot. */
  get terms(): number[] {
    return raft
      .inspect(this.state)
      .entriesAbove(0 as LogIndex)
      .map(({ reign }) => reign);
  }

  step(input: Input<RaftMessage>): void {
    const effects: Effect<RaftMessage>[] = [];
    raft.step(this.state, input, this.nowMs, effects);
    for (const effect of effects) {
      if (effect.type === 'send') this.said.push(effect);
      else if (effect.type === 'persist' || effect.type === 'install') this.unsynced.push(effect);
      else this.effects.push(effect);
    }
  }

  receive(from: string, message: Untyped<RaftMessage>): void {
    const wire = raft.encodeMessage(message as unknown as RaftMessage);
    this.step({ type: 'receive', from: from as NodeId, message: raft.decodeMessage(wire) });
  }

  propose(...texts: string[]): void {
    const proposals = texts.map((text) => ({ timeMs: 5, payload: new TextEncoder().encode(text) }));
    this.step({ type: 'propose', proposals });
  }

  /** Lets time pass, with a tick every 10 ms. */
  pass(durationMs: number): void {
    for (let passedMs = 10; passedMs <= durationMs; passedMs += 10) {
      this.nowMs += 10;
      this.step({ type: 'tick' });
    }
  }

  /** Completes every write. */
  sync(): void {
    while (this.unsynced.length > 0) {
      const [write] = this.unsynced.splice(0, 1);
      if (write === undefined) return;
      this.said.push(...write.thenSend);
      this.step({ type: 'persisted', mark: write.mark });
    }
  }

  /** Forgets what was said and done up to now. */
  listen(): this {
    this.said = [];
    this.effects = [];
    return this;
  }

  /** What was said of one type. */
  heard<T extends RaftMessage['type']>(type: T): (Said & { message: Extract<RaftMessage, { type: T }> })[] {
    return this.said.filter((said) => said.message.type === type) as never;
  }

  done<T extends Effect<RaftMessage>['type']>(type: T): Extract<Effect<RaftMessage>, { type: T }>[] {
    return this.effects.filter((effect) => effect.type === type) as never;
  }

  /** Makes the server a pre-candidate: no leader was heard. */
  timeOut(): this {
    this.pass(320);
    return this;
  }

  /** Makes the server a candidate of the next term, its own vote durable. */
  stand(): this {
    this.timeOut();
    const term = this.status.reign + 1;
    for (const peer of this.state.peers) this.receive(peer, { type: 'pre-vote-reply', term, granted: true });
    this.sync();
    return this;
  }

  /** Makes the server the leader of the next term; its no-op is durable here only. */
  lead(): this {
    this.stand();
    const term = this.status.reign;
    for (const peer of this.state.peers) this.receive(peer, { type: 'vote-reply', term, granted: true });
    this.sync();
    return this;
  }

  /** Lets a peer acknowledge everything up to `index`, or all there is. */
  acknowledge(peer: string, index: number = this.status.lastIndex): void {
    this.receive(peer, { type: 'append-accepted', term: this.status.reign, matchIndex: index });
  }
}

/** Messages in a test are written with plain numbers. */
export type Untyped<M> = M extends object
  ? { readonly [K in keyof M]: M[K] extends number ? number : M[K] }
  : never;

/** Entries of the given terms, each with a payload that tells its place. */
export function entriesOf(terms: readonly number[], after = 0): Entry[] {
  return terms.map((term, at) => entryOf(after + 1 + at, term));
}

export function entryOf(index: number, term: number): Entry {
  return {
    index: index as LogIndex,
    reign: term as Reign,
    timeMs: 5,
    payload: new TextEncoder().encode(`${index}/${term}`),
  };
}

/** An append as a leader would send it, with the terms of its entries. */
export function appendOf(append: {
  readonly term: number;
  readonly prev: readonly [index: number, term: number];
  readonly terms?: readonly number[];
  readonly commit?: number;
}): Untyped<Extract<RaftMessage, { type: 'append' }>> {
  const [prevIndex, prevTerm] = append.prev;
  return {
    type: 'append',
    term: append.term,
    prevIndex,
    prevTerm,
    commitIndex: append.commit ?? 0,
    entries: entriesOf(append.terms ?? [], prevIndex),
  };
}
