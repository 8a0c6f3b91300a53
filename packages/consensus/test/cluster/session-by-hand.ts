/** A session whose replicas and whose time are played by hand. */
import {
  type ActorRef,
  type Clock,
  type CodedError,
  encodeValue,
  type NodeId,
  seededRandom,
} from '@quorate/core';
import { Errands } from '../../src/cluster/errands.ts';
import { LeaderView } from '../../src/cluster/leader-view.ts';
import { Session, type SessionParts } from '../../src/cluster/session.ts';
import { defaultSessionLimitsOfClient } from '../../src/cluster/session-limits.ts';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { ClientMessage, ReplicaMessage } from '../../src/replica/message.ts';
import { decodeReplicaMessage } from '../../src/replica/message-codec.ts';
import { decodePayload, type Payload } from '../../src/replica/payload.ts';

/** A clock whose time is moved by hand. */
class HandClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];
  #deferred: (() => void)[] = [];
  nowMs = (): number => this.#nowMs;
  wallMs = (): number => this.#nowMs;
  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  defer(run: () => void): void {
    this.#deferred.push(run);
  }
  endTurn(): void {
    for (let run = this.#deferred.shift(); run !== undefined; run = this.#deferred.shift()) run();
  }
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      this.endTurn();
      const next = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = endMs;
    this.endTurn();
  }
}

interface Asked {
  readonly node: string;
  readonly message: ReplicaMessage;
}

/** A message that a replica was asked by, to be answered by hand. */
export interface Question extends Asked {
  readonly request: number;
  readonly payload: Payload | undefined;
}

type Refusal = ClientMessage & { readonly type: 'refused' };

export const index = 7 as LogIndex;

export class SessionByHand {
  readonly clock = new HandClock();
  readonly view = new LeaderView(['a', 'b', 'c'] as NodeId[]);
  readonly unsent: SessionParts['unsent'] = new Set();
  readonly errands: Errands;
  readonly session: Session<string, string, unknown, unknown>;
  asked: Asked[] = [];
  failure: CodedError | undefined;

  constructor(name?: string) {
    const { clock, view, unsent } = this;
    let nonces = 0;
    const replica = (node: NodeId): ActorRef => ({
      address: `${node}/replica`,
      tell: (wire) => void this.asked.push({ node, message: decodeReplicaMessage(wire) }),
      ask: () => Promise.reject(new Error('nobody asks here')),
    });
    const pace = { firstRequest: 1, random: seededRandom(1), patienceMs: 600, backOffMs: 25 };
    this.errands = new Errands({ clock, view, replica, ...pace });
    this.session = new Session(name, {
      clock,
      errands: this.errands,
      nonce: () => `nonce ${++nonces}`,
      limits: { ...defaultSessionLimitsOfClient, batchesInFlightMax: 2 },
      failure: () => this.failure,
      unsent,
    });
  }

  leads(node: string, reign = 1): void {
    const news = this.view.heard({
      node: node as NodeId,
      role: 'leader',
      leader: node as NodeId,
      epoch: 1,
      algorithm: 'raft',
      acceptQuorum: undefined,
      members: this.view.nodes,
      reign: reign as Reign,
      commitIndex: index,
      appliedIndex: index,
      position: 0,
      mailboxDepth: 0,
      failure: undefined,
    });
    if (news) this.errands.leaderChanged();
  }

  /** Takes out the oldest message that is still to be answered. */
  next(): Question {
    this.clock.endTurn();
    const first = this.asked.shift();
    if (first === undefined) throw new Error('nothing was asked');
    const { message } = first;
    if (message.type !== 'propose' && message.type !== 'read') throw new Error(`unexpected ${message.type}`);
    return {
      ...first,
      request: message.request,
      payload: message.type === 'propose' ? decodePayload(message.payload) : undefined,
    };
  }

  /** Answers the oldest question, which has to be for a session. */
  answerOpening(session = 1): void {
    const { node, request, payload } = this.next();
    if (payload?.type !== 'open') throw new Error(`asked for ${payload?.type}, and not to be opened`);
    this.errands.received({ type: 'opened', request, index, session }, node as NodeId);
  }

  answerBatch({ request, node }: Question, results: unknown[]): void {
    const encoded = encodeValue([results, null]);
    this.errands.received({ type: 'results', request, index, results: encoded }, node as NodeId);
  }

  /** Refuses for now. */
  refuse(
    { request, node }: Question,
    code: 'ERR_NOT_LEADER' | 'ERR_OUTCOME_UNKNOWN' | 'ERR_OVERLOADED',
    hint?: string,
  ): void {
    this.#refuse(node, { request, code, leader: hint as NodeId | undefined, isFinal: false });
  }

  /** Tells that the session is not known, or is another holder's. */
  expire({ request, node }: Question): void {
    this.#refuse(node, { request, code: 'ERR_SESSION_EXPIRED', leader: undefined, isFinal: true });
  }

  #refuse(node: string, refusal: Pick<Refusal, 'request' | 'code' | 'leader' | 'isFinal'>): void {
    this.errands.received({ type: 'refused', message: 'no', ...refusal }, node as NodeId);
  }
}

export const outcomeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: { code: string }) => error.code);
