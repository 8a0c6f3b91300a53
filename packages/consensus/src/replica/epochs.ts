/**
 * The epochs of a replica: the one it serves, the one before as long as others still need it, and the way from
 * one to the next.
 *
 * When a STOP is applied the run goes on under seal: its members still serve the entries up to the STOP to
 * those who lack them, and nothing after it counts. Meanwhile the charter of the next epoch is written, in
 * one piece with what its protocol begins with and behind everything up to the STOP in the same log. Only when
 * that is durable does the replica speak in the next epoch. A crash on the way leaves it in the one or in the
 * other, and in either it knows what it has promised.
 *
 * Messages of an epoch that this replica has not reached wait for a moment. If nobody brings it along, it asks
 * for a snapshot, with which it may skip whole epochs.
 */
import { type Clock, CodedError, invariant, type NodeId } from '@quorate/core';
import type { LogRecord, WriteAheadLog } from '@quorate/storage';
import type { Ask } from '../learner/message.ts';
import { decodeMessage, encodeMessage } from '../learner/message.ts';
import type { LogIndex, Protocol, RecoveredState, Reign } from '../protocol.ts';
import { type Charter, charterRecord, type EpochStretch } from './charter.ts';
import { type Epoch, hasToSpeakFirst, isEstablished, type Standing, standingIn } from './epoch.ts';
import { EpochRun, type RunEffect } from './epoch-run.ts';
import type { ReplicaMessage } from './message.ts';

export interface StartProtocolOptions {
  readonly epoch: Pick<Epoch, 'members' | 'acceptQuorum'>;
  readonly protocol: Protocol<unknown, unknown>;
  readonly recovered: RecoveredState;
  readonly isAppointed: boolean;
  /** As the protocol's own option. */
  readonly firstTurnMs?: number;
}

export interface EpochsParts {
  readonly node: NodeId;
  readonly group: number;
  readonly diskId: string;
  readonly clock: Clock;
  readonly log: WriteAheadLog;
  readonly charter: Charter;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly pageBytesMax: number;
  /** The protocol of a voter or of a learner in that epoch. */
  readonly protocolFor: (epoch: Epoch, standing: Standing) => Promise<Protocol<unknown, unknown>>;
  readonly startProtocol: (options: StartProtocolOptions) => unknown;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  readonly carryOut: (run: EpochRun, effect: RunEffect) => void;
  /** The replica speaks in `run`'s epoch now. */
  readonly entered: (run: EpochRun) => void;
  /** This replica leads an epoch in which nobody has proposed anything: it is to do so itself. */
  readonly speakFirst: () => void;
  /** A learner of the present epoch has asked. */
  readonly asked: (learner: NodeId, ask: Ask) => void;
  /** `peer` is in `epoch`, and needs a snapshot to get any further. */
  readonly bringAlong: (peer: NodeId, epoch: number) => void;
  readonly failed: (error: unknown) => void;
}

/** A snapshot that was received and is in the state. */
export interface Arrival {
  readonly epoch: number;
  readonly index: LogIndex;
  readonly reign: Reign;
  /** The highest reign that its sender knew of. */
  readonly knownReign: Reign;
}

/** Where this replica's log of an epoch begins, and the highest reign of it that it has heard of. */
interface Beginning {
  readonly snapshot: RecoveredState['snapshot'];
  readonly reign: Reign;
}

/** Messages of the next epoch that may wait for this replica to get there. */
const earlyMessagesMax = 4_096;
/** A sealed epoch is served for so many election timeouts, and for longer only until the next is established. */
const sealedTimeouts = 10;

export class Epochs {
  readonly #parts: EpochsParts;
  #run: EpochRun;
  #sealed: EpochRun | undefined;
  #trail: readonly EpochStretch[];
  #isMoving = false;
  #isStopped = false;
  #enteredAtMs: number;
  /** Of the next epoch, in the order of their coming. */
  #early: { readonly from: NodeId; readonly epoch: number; readonly wire: unknown }[] = [];
  /** Somebody is in a later epoch. `sinceMs`: since when that is known, or when it was last asked for help. */
  #ahead: { node: NodeId; sinceMs: number; isAsked: boolean } | undefined;

  constructor(parts: EpochsParts, protocol: Protocol<unknown, unknown>, protocolState: unknown) {
    this.#parts = parts;
    this.#trail = parts.charter.trail;
    this.#enteredAtMs = parts.clock.nowMs();
    this.#run = this.#newRun(parts.charter.epoch, parts.charter.standing, protocol, protocolState);
  }

  /** The run of the present epoch; under seal while the replica is on its way to the next. */
  get run(): EpochRun {
    return this.#run;
  }

  /** All that run: the present one, and the sealed one while others need it. */
  get runs(): readonly EpochRun[] {
    return this.#sealed === undefined ? [this.#run] : [this.#sealed, this.#run];
  }

  /** A STOP was applied, or a later epoch's snapshot received, and the next epoch is not entered yet. */
  get isMoving(): boolean {
    return this.#isMoving;
  }

  /** The run that serves an epoch, if there is one. */
  runOf(epoch: number): EpochRun | undefined {
    if (this.#run.epoch.number === epoch) return this.#run;
    return this.#sealed?.epoch.number === epoch ? this.#sealed : undefined;
  }

  /** A protocol's message. @throws CodedError ERR_FRAME_INVALID */
  receive(from: NodeId, epoch: number, wire: unknown): void {
    const run = this.runOf(epoch);
    if (run?.standing === 'voter') {
      if (run.isMember(from)) run.receive(from, wire);
    } else if (epoch < this.#run.epoch.number) {
      this.#tellPassed(from);
    } else if (epoch > this.#run.epoch.number) {
      this.#comesEarly(from, epoch, wire);
    }
  }

  /** A question of a learner, or the answer to this one's. @throws CodedError ERR_FRAME_INVALID */
  receiveLearning(from: NodeId, epoch: number, wire: unknown): void {
    const message = decodeMessage(wire);
    const run = this.runOf(epoch);
    if (run === undefined) {
      if (epoch < this.#run.epoch.number) this.#tellPassed(from);
      else this.#noteAhead(from);
      return;
    }
    if (run.standing === 'learner') {
      if (message.type === 'page') run.input({ type: 'receive', from, message });
      return;
    }
    if (message.type !== 'ask') return;
    const page = run.pageFor(message, this.#parts.pageBytesMax);
    if (page === undefined) return this.#parts.bringAlong(from, epoch);
    const { group, send } = this.#parts;
    send(from, { type: 'learning', group, epoch, wire: encodeMessage(page) });
    if (run === this.#run) this.#parts.asked(from, message);
  }

  /** `from` has left the epoch that this replica spoke to it in, and everything before it. */
  epochPassed(from: NodeId, epoch: number): void {
    if (epoch <= this.#run.epoch.number || this.#isMoving) return;
    // There is nothing to wait for: whoever said so serves our epoch no more. It is asked at once, and again later.
    const isNews = this.#ahead?.node !== from;
    if (isNews) this.#ahead = { node: from, sinceMs: Number.NEGATIVE_INFINITY, isAsked: false };
  }

  /** `from` is still in `epoch`. Unless we are there too, only our snapshot helps it. */
  leftBehind(from: NodeId, epoch: number): void {
    if (epoch < this.#run.epoch.number && !this.#isMoving) this.#parts.bringAlong(from, epoch);
  }

  tick(): void {
    const { clock, electionTimeoutMs } = this.#parts;
    const nowMs = clock.nowMs();
    this.#run.input({ type: 'tick' });
    this.#sealed?.input({ type: 'tick' });
    if (!this.#isMoving && hasToSpeakFirst(this.#run.epoch, this.#run.status())) this.#parts.speakFirst();
    if (this.#sealed !== undefined && this.#maySealedRest(nowMs)) this.#dropSealed();
    const ahead = this.#ahead;
    if (ahead === undefined || this.#isMoving || nowMs - ahead.sinceMs < electionTimeoutMs[1]) return;
    ahead.sinceMs = nowMs;
    ahead.isAsked = true;
    const { group, send } = this.#parts;
    send(ahead.node, { type: 'left-behind', group, epoch: this.#run.epoch.number });
  }

  /** Nothing happens here by time alone until some message comes. */
  get isIdle(): boolean {
    if (this.#isMoving || this.#sealed !== undefined || this.#ahead !== undefined) return false;
    return this.#run.status().rests === true;
  }

  peerSilent(peer: NodeId): void {
    this.#run.input({ type: 'peer-silent', peer });
    this.#sealed?.input({ type: 'peer-silent', peer });
  }

  peerDown(peer: NodeId): void {
    this.#run.input({ type: 'peer-down', peer });
    this.#sealed?.input({ type: 'peer-down', peer });
  }

  snapshotSent(to: NodeId, delivered: boolean): void {
    this.#run.input({ type: 'snapshot-sent', to, delivered });
    this.#sealed?.input({ type: 'snapshot-sent', to, delivered });
  }

  /** The STOP that begins `next` is in the state: writes the charter of `next` and then enters it. */
  sealedBy(next: Epoch): void {
    invariant(!this.#isMoving, 'one epoch follows another');
    invariant(next.number === this.#run.epoch.number + 1, 'no epoch is left out');
    const stretch = { epoch: this.#run.epoch.number, end: next.base };
    this.#move(next, [...this.#trail, stretch], beginOf(next), []);
  }

  /** Stops serving the present epoch: a snapshot of a later one is about to take the place of the state. */
  leave(): void {
    this.#isMoving = true;
    this.#run.stop();
    this.#dropSealed();
  }

  /**
   * Goes on from a snapshot that is durable and in the state.
   * @param at where it was taken: in `epoch` itself, or at the STOP that made it
   */
  arriveAt(epoch: Epoch, at: Arrival): void {
    const { group } = this.#parts;
    const isAtStop = at.epoch !== epoch.number;
    const trail = isAtStop ? [{ epoch: at.epoch, end: epoch.base }] : [];
    const { index, reign } = at;
    const arrival: LogRecord = { type: 'snapshot', group, epoch: at.epoch, index, reign, discardsLog: true };
    const begin = isAtStop ? beginOf(epoch) : { snapshot: { index, reign }, reign: at.knownReign };
    // What is older than the snapshot's own epoch is over; that one's log begins anew where it stands.
    const passed = Math.min(this.#run.epoch.number, at.epoch - 1);
    const forget: LogRecord[] = passed >= 1 ? [{ type: 'forget', group, epoch: passed }] : [];
    this.#move(epoch, trail, begin, [...forget, arrival]);
  }

  /** A snapshot of the present epoch is durable: earlier ones are not needed any more to build the state. */
  shortenTrail(): void {
    if (this.#trail.length === 0 || this.#isMoving) return;
    this.#dropSealed();
    this.#trail = [];
    const { group, log } = this.#parts;
    const { epoch, standing } = this.#run;
    const forget = { type: 'forget', group, epoch: epoch.number - 1 } as const;
    log.append([this.#charterRecord(epoch, standing), forget], () => undefined);
  }

  stop(): void {
    this.#isStopped = true;
    this.#run.stop();
    this.#dropSealed();
  }

  // --- the move ---------------------------------------------------------------------------------

  #move(next: Epoch, trail: readonly EpochStretch[], begin: Beginning, before: readonly LogRecord[]): void {
    const { node, diskId, protocolFor, failed } = this.#parts;
    this.#isMoving = true;
    const standing = standingIn(next, { node, diskId, before: this.#run.standing });
    protocolFor(next, standing)
      .then((protocol) => {
        if (this.#isStopped) return;
        this.#trail = trail;
        this.#writeCharter({ next, standing, begin, before, protocol });
      })
      .catch(failed);
  }

  /** One append: after a crash there is all of it or none. */
  #writeCharter(move: {
    readonly next: Epoch;
    readonly standing: Standing;
    readonly begin: Beginning;
    readonly before: readonly LogRecord[];
    readonly protocol: Protocol<unknown, unknown>;
  }): void {
    const { node, group, log, startProtocol, failed } = this.#parts;
    const { next, standing, begin, before, protocol } = move;
    const { snapshot } = begin;
    const epoch = next.number;
    const records: LogRecord[] = [this.#charterRecord(next, standing), ...before];
    // With a reign of 0 there is no file behind it: it is the place where the epoch's log begins.
    if (snapshot.reign === 0) {
      records.push({ type: 'snapshot', group, epoch, ...snapshot, discardsLog: true });
    }
    const hardState = standing === 'voter' ? foundingHardState(next, begin, protocol) : undefined;
    if (hardState !== undefined) records.push({ type: 'hard-state', group, epoch, state: hardState });
    log.append(records, () => {
      if (this.#isStopped) return;
      const isFirstHour = begin.reign === 0;
      const isAppointed = standing === 'voter' && next.appointed === node && isFirstHour;
      const recovered = { hardState, snapshot, entries: [] };
      let state: unknown;
      try {
        state = startProtocol({ epoch: next, protocol, recovered, isAppointed });
      } catch (error) {
        // It would wait for ever on its way: neither in the epoch before, nor in this one.
        return failed(error);
      }
      this.#enter(this.#newRun(next, standing, protocol, state));
    });
  }

  #enter(run: EpochRun): void {
    if (this.#isStopped) return;
    this.#dropSealed();
    // One that was left for a snapshot is over already, and a learner has nobody to serve.
    const isServing = !this.#run.isStopped && this.#run.standing === 'voter';
    if (isServing) this.#sealed = this.#run;
    else this.#run.stop();
    this.#run = run;
    this.#isMoving = false;
    this.#ahead = undefined;
    this.#enteredAtMs = this.#parts.clock.nowMs();
    const early = this.#early;
    this.#early = [];
    run.input({ type: 'tick' });
    this.#replay(early);
    this.#parts.entered(run);
  }

  #replay(early: readonly { readonly from: NodeId; readonly epoch: number; readonly wire: unknown }[]): void {
    for (const { from, epoch, wire } of early) {
      // What was sent in an epoch that a snapshot has skipped is of no use any more.
      if (epoch !== this.#run.epoch.number) continue;
      try {
        this.receive(from, epoch, wire);
      } catch (error) {
        // Its sender sends again what is not answered, and then it is reported like any other.
        if (!(error instanceof CodedError)) throw error;
      }
    }
  }

  #newRun(
    epoch: Epoch,
    standing: Standing,
    protocol: Protocol<unknown, unknown>,
    protocolState: unknown,
  ): EpochRun {
    const { group, clock, log, send, carryOut, failed } = this.#parts;
    return new EpochRun({
      group,
      epoch,
      standing,
      clock,
      log,
      protocol,
      protocolState,
      send,
      carryOut,
      failed,
    });
  }

  #charterRecord(epoch: Epoch, standing: Standing): LogRecord {
    const { group, charter } = this.#parts;
    return charterRecord(group, {
      epoch,
      standing,
      trail: this.#trail,
      machineVersion: charter.machineVersion,
    });
  }

  /** Stragglers have had their time, and from now on the members of the next epoch can bring them along. */
  #maySealedRest(nowMs: number): boolean {
    const { epoch } = this.#run;
    const hadTime = nowMs - this.#enteredAtMs > sealedTimeouts * this.#parts.electionTimeoutMs[1];
    return hadTime && isEstablished(epoch, this.#run.status().commitIndex);
  }

  #dropSealed(): void {
    this.#sealed?.stop();
    this.#sealed = undefined;
  }

  // --- those who are elsewhere --------------------------------------------------------------------

  #tellPassed(to: NodeId): void {
    if (this.#isMoving) return;
    const { group, send } = this.#parts;
    send(to, { type: 'epoch-passed', group, epoch: this.#run.epoch.number });
  }

  #comesEarly(from: NodeId, epoch: number, wire: unknown): void {
    this.#noteAhead(from);
    if (epoch !== this.#run.epoch.number + 1 || this.#early.length >= earlyMessagesMax) return;
    this.#early.push({ from, epoch, wire });
  }

  /** Who was asked and has not helped may be dead by now: then it is the turn of whoever speaks next. */
  #noteAhead(node: NodeId): void {
    if (this.#ahead === undefined) {
      this.#ahead = { node, sinceMs: this.#parts.clock.nowMs(), isAsked: false };
    } else if (this.#ahead.isAsked && this.#ahead.node !== node) {
      this.#ahead.node = node;
      this.#ahead.isAsked = false;
    }
  }
}

/** The log of an epoch that this replica sees begin. */
function beginOf({ base }: Epoch): Beginning {
  return { snapshot: { index: base, reign: 0 as Reign }, reign: 0 as Reign };
}

function foundingHardState(
  { members, appointed, base }: Epoch,
  { reign }: Beginning,
  protocol: Protocol<unknown, unknown>,
): Uint8Array {
  invariant(appointed !== undefined, 'an epoch that follows another names its first leader');
  return protocol.foundingHardState({ members, appointed, base, reign });
}
