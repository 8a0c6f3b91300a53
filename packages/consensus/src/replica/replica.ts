/**
 * The replica: the only place where protocol, log, links and state machine meet.
 *
 * It hands each message to the part that it concerns, and carries out what the protocol of its epoch answers,
 * one function for each kind of effect.
 */
import {
  type ActorRef,
  assertNever,
  CodedError,
  type ErrorCode,
  errorToData,
  invariant,
  type NodeId,
} from '@quorate/core';
import type { ProtocolStatus } from '../protocol.ts';
import { ApplyQueue } from './apply-queue.ts';
import { mayListen, mayPropose } from './back-pressure.ts';
import { DivergenceWatch } from './divergence-watch.ts';
import type { Epoch } from './epoch.ts';
import type { EpochRun, InstallEffect, RunEffect } from './epoch-run.ts';
import type { Epochs } from './epochs.ts';
import { HandledRequests } from './handled-requests.ts';
import { LeadTransfer } from './lead-transfer.ts';
import type { ReplicaMessage, ReplicaStatus, SnapshotOffer } from './message.ts';
import { decodeReplicaMessage, encodeReplicaMessage } from './message-codec.ts';
import { encodeBegun, encodeStop } from './payload.ts';
import { Proposals } from './proposals.ts';
import { ReadDesk } from './read-desk.ts';
import { Reconfiguration } from './reconfiguration.ts';
import type { ReplicaParts } from './replica-parts.ts';
import { restoreSnapshot } from './restore-snapshot.ts';
import { SnapshotExchange } from './snapshot-exchange.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { StatusWatchers } from './status-watchers.ts';
import { type Asker, refuse } from './waiting-clients.ts';

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #epochs: Epochs;
  readonly #handled = new HandledRequests();
  readonly #reads: ReadDesk;
  readonly #proposals: Proposals;
  readonly #reconfiguration: Reconfiguration;
  readonly #applyQueue: ApplyQueue;
  readonly #keeper: SnapshotKeeper;
  readonly #exchange: SnapshotExchange;
  readonly #watchers = new StatusWatchers(() => this.status());
  readonly #transfer: LeadTransfer;
  readonly #divergence: DivergenceWatch;
  #leads = false;
  #failure: { readonly code: ErrorCode; readonly message: string } | undefined;
  #isStopped = false;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    const { node, clock, state } = parts;
    this.#transfer = new LeadTransfer(node);
    this.#divergence = new DivergenceWatch({
      self: node,
      voters: () => state.epoch.members,
      report: (to, index, hash) => this.#send(to, { type: 'state-hash', group: parts.group, index, hash }),
    });
    this.#applyQueue = new ApplyQueue({
      clock,
      state,
      restore: (place) => restoreSnapshot(parts.snapshots, { group: parts.group, ...place }, state),
      applied: (outcome, entry) => {
        this.#divergence.applied(entry.index, () => state.stateHash());
        const epoch = outcome.type === 'sealed' ? outcome.next.number - 1 : state.epoch.number;
        this.#keeper.applied({ epoch, index: entry.index, reign: entry.reign }, entry.payload.byteLength);
        this.#proposals.applied(outcome, entry.index);
        if (outcome.type === 'sealed') return this.#sealed(outcome.next);
        invariant(epoch === this.#epochs.run.epoch.number, 'nothing behind a STOP is applied in its epoch');
      },
      readable: () => this.#readable(),
      failed: (error) => this.fail(error),
    });
    this.#keeper = new SnapshotKeeper({
      group: parts.group,
      state,
      snapshots: parts.snapshots,
      log: parts.log,
      countsFrom: parts.restoredFrom,
      standsAt: parts.standsAt,
      everyBytes: parts.snapshotEveryBytes,
      taken: ({ epoch }) => {
        if (epoch === this.#epochs.run.epoch.number) this.#epochs.shortenTrail();
        this.#exchange.taken();
      },
      compacted: ({ epoch, index }) => this.#epochs.runOf(epoch)?.input({ type: 'compacted', index }),
      warn: parts.warn,
    });
    this.#exchange = new SnapshotExchange({
      group: parts.group,
      clock,
      snapshots: parts.snapshots,
      keeper: this.#keeper,
      epochs: () => this.#epochs,
      firstTransfer: parts.random.below(2 ** 32) * 2 ** 20,
      chunkBytes: parts.snapshotChunkBytes,
      retryAfterMs: 4 * parts.heartbeatMs,
      send: (to, message) => this.#send(to, message),
      skipTo: (offer) => this.#skipTo(offer),
      warn: parts.warn,
    });
    this.#reconfiguration = new Reconfiguration({
      node,
      epoch: () => this.#epochs.run.epoch,
      commitIndex: () => this.#status().commitIndex,
      appliedIndex: () => state.appliedIndex,
      nowMs: () => clock.nowMs(),
      learnerSilentMs: parts.electionTimeoutMs[1],
      tryAlgorithm: parts.tryAlgorithm,
      propose: (asker, next) => {
        this.#epochs.run.input({ type: 'seal' });
        const nonce = `${parts.random.next()} ${parts.random.next()}`;
        this.#proposals.proposeStop(asker, nonce, encodeStop(next, nonce));
      },
    });
    this.#proposals = new Proposals({
      node,
      state,
      wallMs: () => clock.wallMs(),
      leads: () => !this.#isStopped && this.#status().role === 'leader',
      leaderHint: () => this.#epochs.run.leaderHint,
      isHolding: () => this.#epochs.isMoving || this.#reconfiguration.isSealing,
      mayPropose: () => mayPropose(this.unappliedBytes, parts.uncommittedBytesMax),
      propose: (proposal) => this.#epochs.run.input({ type: 'propose', proposals: [proposal] }),
      stopRefused: () => this.#reconfiguration.stopRefused(),
      heldBytesMax: parts.uncommittedBytesMax,
    });
    this.#reads = new ReadDesk({
      firstRead: 1 + parts.random.below(2 ** 32) * 2 ** 20,
      node,
      group: parts.group,
      clock,
      state,
      epochs: () => this.#epochs,
      isReadable: () => this.#applyQueue.isReadable,
      leaderHint: () => this.#epochs.run.leaderHint,
      send: (to, message) => this.#send(to, message),
      patienceMs: 4 * parts.electionTimeoutMs[1],
    });
    this.#epochs = parts.epochs({
      send: (to, message) => this.#send(to, message),
      carryOut: (run, effect) => this.#carryOut(run, effect),
      entered: (run) => this.#entered(run),
      speakFirst: () => this.#proposals.proposeOwn(encodeBegun()),
      asked: (learner, ask) => this.#reconfiguration.asked(learner, ask),
      bringAlong: (peer, epoch) => this.#exchange.sendTo(peer, epoch),
      failed: (error) => this.fail(error),
    });
    this.#followRestored();
  }

  /** For checkers: the epoch before as long as it is served, and the present one. */
  get runs(): readonly EpochRun[] {
    return this.#epochs.runs;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Nothing happens here by time alone until somebody asks for something. */
  get isIdle(): boolean {
    return this.#isStopped || this.#epochs.isIdle;
  }

  /** It has a vote, and knows of no leader. */
  get isLeaderless(): boolean {
    const { standing } = this.#epochs.run;
    return !this.#isStopped && standing === 'voter' && this.#status().leader === undefined;
  }

  /** The epoch that this replica serves. */
  get run(): EpochRun {
    return this.#epochs.run;
  }

  /** Payload bytes that are committed and not in the state yet. */
  get unappliedBytes(): number {
    return this.#applyQueue.waitingBytes;
  }

  /** Handles a message from a peer's replica or from a client. Bytes that are no message of ours are reported. */
  receive(wire: unknown, from: ActorRef, fromNode: NodeId): void {
    try {
      const message = decodeReplicaMessage(wire);
      // A second copy is not even refused, not by a stopped replica either: the first may take effect.
      if ('request' in message && !this.#handled.isFirst(from.address, message.request)) return;
      if (this.#isStopped) this.#answerStopped(message, from);
      else this.#dispatch(message, from, fromNode);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#parts.warn(`a message from ${from.address} was refused`, error);
    }
  }

  /** Time has passed. */
  tick(): void {
    if (this.#isStopped) return;
    this.#epochs.tick();
    this.#exchange.tick();
    this.#reconfiguration.tick();
    this.#reads.tick();
  }

  /** The thread of `peer` has ended. */
  peerDown(peer: NodeId): void {
    this.#epochs.peerDown(peer);
  }

  /** The node of `peer` was not heard for an election timeout, or the replica there has stopped for good. */
  peerSilent(peer: NodeId): void {
    if (!this.#isStopped) this.#epochs.peerSilent(peer);
  }

  status(): ReplicaStatus {
    const { node, state } = this.#parts;
    const { role, reign, commitIndex } = this.#status();
    const { number, algorithm, acceptQuorum, members } = this.#epochs.run.epoch;
    return {
      node,
      role: this.#failure === undefined ? role : 'failed',
      leader: this.#failure === undefined ? this.#epochs.run.leaderHint : undefined,
      epoch: number,
      algorithm,
      acceptQuorum,
      members,
      reign,
      commitIndex,
      appliedIndex: state.appliedIndex,
      position: state.position,
      mailboxDepth: this.#parts.mailboxDepth(),
      failure: this.#failure,
    };
  }

  /** Tells the watchers where this replica stands, if that has changed since they were told. */
  publish(): void {
    this.#watchers.publish();
  }

  /** Stops for good: nothing is stepped, applied or answered any more. */
  fail(error: unknown): void {
    if (this.#isStopped) return;
    const { code, message } = errorToData(error);
    this.#failure = { code: code as ErrorCode, message };
    this.#halt();
    this.#proposals.orphan();
    this.#proposals.release();
    this.#reads.refuseAll();
    this.publish();
    this.#parts.failed(error);
  }

  /** Ends the replica; what is durable stays. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#exchange.stop();
  }

  #halt(): void {
    this.#isStopped = true;
    this.#epochs.stop();
    this.#reconfiguration.ended();
    this.#exchange.stopSending();
    this.#keeper.stop();
    this.#applyQueue.stop();
  }

  // --- messages ---------------------------------------------------------------------------------

  #dispatch(message: ReplicaMessage, from: ActorRef, fromNode: NodeId): void {
    const { group, uncommittedBytesMax } = this.#parts;
    if ('group' in message && message.group !== group) return;
    switch (message.type) {
      case 'protocol':
        if (!mayListen(this.unappliedBytes, uncommittedBytesMax)) return;
        return this.#epochs.receive(fromNode, message.epoch, message.wire);
      case 'learning':
        if (!mayListen(this.unappliedBytes, uncommittedBytesMax)) return;
        return this.#epochs.receiveLearning(fromNode, message.epoch, message.wire);
      case 'epoch-passed':
        return this.#epochs.epochPassed(fromNode, message.epoch);
      case 'left-behind':
        return this.#epochs.leftBehind(fromNode, message.epoch);
      case 'read-index':
        return this.#reads.readForPeer(fromNode, message);
      case 'read-index-reply':
        return this.#reads.peerHasRead(message);
      case 'state-hash':
        return this.#compare(fromNode, message);
      case 'snapshot-offer':
        return this.#exchange.offered(fromNode, message);
      case 'snapshot-chunk':
        return this.#exchange.chunk(fromNode, message);
      case 'snapshot-progress':
        return this.#exchange.progress(fromNode, message);
      case 'propose':
        return this.#proposals.receive({ client: from, request: message.request }, message.payload);
      case 'read':
        return this.#reads.read({ client: from, request: message.request }, message);
      case 'transfer':
        return this.#transferTo({ client: from, request: message.request }, message.to);
      case 'reconfigure':
        return this.#reconfigure({ client: from, request: message.request }, message);
      case 'watch-status':
        return this.#watchers.watch(from);
      default:
        return assertNever(message, 'replica message');
    }
  }

  /** A stopped replica answers clients that it does not serve, and nobody else. */
  #answerStopped(message: ReplicaMessage, from: ActorRef): void {
    if (message.type === 'watch-status') return this.#watchers.watch(from);
    if (!('request' in message)) return;
    refuse(
      { client: from, request: message.request },
      'ERR_NOT_LEADER',
      'the replica has stopped',
      undefined,
    );
  }

  #reconfigure(asker: Asker, { change, withinMs }: ReplicaMessage & { type: 'reconfigure' }): void {
    if (this.#takesOrders(asker)) this.#reconfiguration.begin(asker, change, withinMs);
  }

  #transferTo(asker: Asker, to: NodeId): void {
    if (this.#takesOrders(asker)) this.#transfer.begin(asker, to, this.#epochs.run);
  }

  /** Orders of an operator are for the leader; whoever is none says so. */
  #takesOrders(asker: Asker): boolean {
    const { run, isMoving } = this.#epochs;
    if (!isMoving && this.#status().role === 'leader') return true;
    refuse(asker, 'ERR_NOT_LEADER', `${this.#parts.node} does not lead`, run.leaderHint);
    return false;
  }

  // --- effects ----------------------------------------------------------------------------------

  #carryOut(run: EpochRun, effect: RunEffect): void {
    if (effect.type === 'send-snapshot') return this.#exchange.sendTo(effect.to, run.epoch.number);
    // A sealed run serves its members; for clients and for the state its time is over.
    if (run !== this.#epochs.run) return;
    switch (effect.type) {
      case 'committed':
        if (!this.#epochs.isMoving) this.#applyQueue.entries(effect.entries);
        return;
      case 'accepted':
        return this.#proposals.accepted(effect.first);
      case 'refused':
        return this.#proposals.refused(effect.reason);
      case 'read-ready':
        return this.#reads.ready(effect.read, effect.index);
      case 'read-refused':
        return this.#reads.refused(effect.read);
      case 'role':
        return this.#roleChanged(effect.role, effect.leader);
      case 'transfer-failed':
        this.#transfer.failed(effect.to);
        return this.#proposals.release();
      case 'install':
        return this.#install(run, effect);
      default:
        return assertNever(effect, 'effect');
    }
  }

  #roleChanged(role: string, leader: NodeId | undefined): void {
    const leads = role === 'leader';
    if (this.#leads && !leads) {
      this.#reconfiguration.deposed('ERR_NOT_LEADER', leader);
      this.#proposals.orphan();
      // What a leader began ends with its rule. An acceptor that hands its snapshot to a candidate goes on.
      this.#exchange.stopSending();
    }
    if (!leads && !this.#epochs.isMoving) this.#reads.refuseAll();
    this.#leads = leads;
    if (leader !== undefined) {
      this.#transfer.ended(leader);
      this.#proposals.release();
    }
    this.publish();
  }

  // --- epochs -----------------------------------------------------------------------------------

  /** The STOP of the present epoch is in the state. */
  #sealed(next: Epoch): void {
    const { run } = this.#epochs;
    this.#reads.seal(next);
    this.#epochs.sealedBy(next);
    this.#reconfiguration.ended();
    this.#transfer.ended(undefined);
    // What was appended after the STOP will never be applied: whoever waits for it has to propose it anew.
    this.#proposals.orphan();
    // The others cannot come along before they know that the STOP is chosen.
    run.input({ type: 'announce' });
  }

  #entered(run: EpochRun): void {
    this.#leads = run.status().role === 'leader';
    this.#reads.entered();
    this.#proposals.release();
    this.publish();
    this.#keeper.takeIfDue();
  }

  #readable(): void {
    this.#reads.serve();
    this.#keeper.takeIfDue();
  }

  /**
   * A snapshot that was taken at a STOP brings the next epoch with it, received or found at the start. What is chosen
   * behind the STOP in the present one is never applied, and some of it may wait already.
   */
  #followRestored(): void {
    const { epoch } = this.#parts.state;
    if (epoch.number !== this.#epochs.run.epoch.number + 1 || this.#epochs.isMoving) return;
    this.#applyQueue.dropWaiting();
    this.#sealed(epoch);
  }

  // --- snapshots --------------------------------------------------------------------------------

  /** Leaves the present epoch for a later one, with the snapshot in place of the state. */
  #skipTo({ epoch, last, reign }: SnapshotOffer): void {
    if (this.#isStopped) return;
    const place = { epoch, ...last };
    this.#epochs.leave();
    this.#reads.skipped();
    this.#reconfiguration.ended();
    this.#transfer.ended(undefined);
    this.#proposals.orphan();
    this.#keeper.countsFrom(place);
    this.#applyQueue.install(place, () => {
      this.#epochs.arriveAt(this.#parts.state.epoch, {
        epoch,
        ...last,
        knownReign: reign > last.reign ? reign : last.reign,
      });
    });
  }

  #install(run: EpochRun, effect: InstallEffect): void {
    const { group, log } = this.#parts;
    const epoch = run.epoch.number;
    const { index, reign } = effect.snapshot;
    const place = { epoch, index, reign };
    this.#keeper.countsFrom(place);
    const record = { type: 'snapshot', group, epoch, index, reign, discardsLog: effect.discardsLog } as const;
    log.append([record], () => {
      run.durable(effect);
      this.#keeper.prune(place);
    });
    this.#applyQueue.install(place, () => this.#followRestored());
  }

  // --- the rest ---------------------------------------------------------------------------------

  /** Another replica has told what its state came to. */
  #compare(from: NodeId, { index, hash }: ReplicaMessage & { type: 'state-hash' }): void {
    try {
      this.#divergence.heard(from, index, hash);
    } catch (error) {
      // Said of this replica's own state, and not of the message.
      this.fail(error);
    }
  }

  #send(to: NodeId, message: ReplicaMessage): void {
    this.#parts.peer(to).tell(encodeReplicaMessage(message));
  }

  #status(): ProtocolStatus {
    return this.#epochs.run.status();
  }
}
