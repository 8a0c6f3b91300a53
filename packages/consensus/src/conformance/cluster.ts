/**
 * A cluster of pure protocol instances under one seed: virtual time, a network and disks that can fail.
 *
 * It takes any `Protocol` and does what a replica would do, in one thread and without a clock: carries
 * out effects, completes disk syncs later, loses what was not synced in a crash, moves messages through
 * the protocol's own encoding, and lets `SafetyChecks` look at every step. Used in two ways: seeded
 * chaos (`chaos.ts`), and hand-written transcripts, which hold messages or disks back and
 * release them one by one.
 */
import { assertNever, invariant, type NodeId, type Random, seededRandom } from '@quorate/core';
import type {
  Effect,
  Input,
  LogIndex,
  Protocol,
  ProtocolOptions,
  ProtocolStatus,
  Reign,
} from '../protocol.ts';
import { Agenda } from './agenda.ts';
import {
  type AskedRead,
  type ClusterNode,
  type ClusterSettings,
  type Envelope,
  type NetworkConditions,
  type ProposeOutcome,
  type ReadOutcome,
  stoppedNode,
} from './cluster-settings.ts';
import { drawBetween } from './draw.ts';
import type { Due } from './due.ts';
import { LocalClock } from './local-clock.ts';
import { Mail, perfectNetwork } from './mail.ts';
import { copyOfPlainData } from './plain-data.ts';
import { SafetyChecks } from './safety.ts';
import { SnapshotTransfers } from './snapshot-transfers.ts';

export type * from './cluster-settings.ts';

/**
 * Nodes that run one protocol, with no clock and no thread: time passes when it is told to, and every step is
 * checked. For transcripts by hand: hold messages or disks back, and let them go one by one.
 */
export class ProtocolCluster<S, M> {
  readonly protocol: Protocol<S, M>;
  readonly members: readonly NodeId[];
  readonly options: Omit<ProtocolOptions, 'self' | 'seed'>;
  readonly random: Random;
  readonly safety: SafetyChecks;
  readonly nodes = new Map<NodeId, ClusterNode<S>>();
  readonly reads = new Map<number, AskedRead>();
  syncMs: readonly [min: number, max: number];
  /** How fast the nodes' clocks run; each start draws one. */
  readonly clockRates: readonly [min: number, max: number];
  nowMs = 0;
  /** Called with every effect just before it is carried out. */
  onEffect: (node: NodeId, effect: Effect<M>) => void = () => {};
  readonly #mail: Mail<M>;
  readonly #appointed: NodeId | undefined;
  readonly #agenda = new Agenda<Due<M>>();
  readonly #snapshots: SnapshotTransfers<S, M>;
  #readCount = 0;
  #lastOutcome: ProposeOutcome | undefined;

  constructor(settings: ClusterSettings<S, M>) {
    this.protocol = settings.protocol;
    const names =
      typeof settings.nodes === 'number'
        ? Array.from({ length: settings.nodes }, (_, at) => `n${at + 1}`)
        : [...settings.nodes];
    this.members = names.sort() as NodeId[];
    this.random = seededRandom(settings.seed ?? 1);
    this.#mail = new Mail({
      members: this.members,
      random: this.random,
      network: { ...perfectNetwork, ...settings.network },
      schedule: (delayMs, envelope) => this.#schedule(delayMs, { type: 'message', envelope }),
      deliver: (envelope) => this.deliver(envelope),
    });
    this.syncMs = settings.syncMs ?? [0, 0];
    this.#snapshots = new SnapshotTransfers(this, (delayMs, due) => this.#schedule(delayMs, due));
    this.clockRates = settings.clockRates ?? [1, 1];
    this.options = {
      members: this.members,
      electionTimeoutMs: [150, 300],
      heartbeatMs: 50,
      appendBytesMax: 64 * 1024,
      appendsInFlightMax: 8,
      uncommittedBytesMax: 16 * 1024 * 1024,
      ...settings.options,
    };
    this.safety = new SafetyChecks(this.options.acceptQuorum ?? Math.floor(this.members.length / 2) + 1);
    this.#appointed = settings.appointed as NodeId | undefined;
    for (const id of this.members) {
      this.nodes.set(id, stoppedNode(id));
      this.#found(this.node(id));
      this.restart(id);
    }
  }

  // What one asks of the cluster.

  node(id: string): ClusterNode<S> {
    const node = this.nodes.get(id as NodeId);
    invariant(node !== undefined, `no node ${id}`);
    return node;
  }

  isUp(id: string): boolean {
    return this.node(id).state !== undefined;
  }

  status(id: string): ProtocolStatus {
    return this.protocol.status(this.stateOf(id));
  }

  stateOf(id: string): S {
    const { state } = this.node(id);
    invariant(state !== undefined, `${id} is down`);
    return state;
  }

  /** The running leader with the highest reign. */
  leader(): NodeId | undefined {
    let best: { readonly id: NodeId; readonly reign: Reign } | undefined;
    for (const id of this.members) {
      if (!this.isUp(id) || this.node(id).paused) continue;
      const { role, reign } = this.status(id);
      if (role === 'leader' && (best === undefined || reign > best.reign)) best = { id, reign };
    }
    return best?.id;
  }

  /** The committed payloads of a node as text, no-ops left out. */
  committedTexts(id: string): string[] {
    return this.node(id)
      .committed.filter((entry) => entry.payload.length > 0)
      .map((entry) => new TextDecoder().decode(entry.payload));
  }

  // What one does to the protocol.

  /** Hands one node a batch of proposals. Texts must be unique over a run. */
  propose(id: string, ...texts: string[]): ProposeOutcome {
    const timeMs = Math.floor(this.nowMs);
    const proposals = texts.map((text) => ({ timeMs, payload: new TextEncoder().encode(text) }));
    this.#lastOutcome = undefined;
    this.input(id, { type: 'propose', proposals });
    const outcome: ProposeOutcome | undefined = this.#lastOutcome;
    invariant(outcome !== undefined, 'a propose is answered in its own step');
    return outcome;
  }

  /** @returns the number under which `reads` will hold the outcome */
  read(id: string, { mayUseLease = false }: { readonly mayUseLease?: boolean } = {}): number {
    const read = ++this.#readCount;
    const { incarnation } = this.node(id);
    this.reads.set(read, { node: id as NodeId, incarnation, outcome: 'waiting' });
    this.safety.readAsked(read);
    this.input(id, { type: 'read', read, mayUseLease });
    return read;
  }

  readOutcome(read: number): ReadOutcome {
    const asked = this.reads.get(read);
    invariant(asked !== undefined, `no read ${read}`);
    return asked.outcome;
  }

  /** One step of one node, with all checks. */
  input(id: string, input: Input<M>): void {
    const node = this.node(id);
    const state = this.stateOf(id);
    const effects: Effect<M>[] = [];
    const before = this.protocol.status(state);
    this.protocol.step(state, input, node.clock.at(this.nowMs), effects);
    this.safety.afterStep({
      node: node.id,
      input: input as Input<unknown>,
      before,
      after: this.protocol.inspect(state),
      effects: effects as Effect<unknown>[],
    });
    for (const effect of effects) {
      this.onEffect(node.id, effect);
      this.#carryOut(node, effect);
    }
  }

  /** Lets a node take a snapshot of what it applied up to `index` (all of it, unless told). */
  compact(id: string, index?: number): void {
    const node = this.node(id);
    const upTo = index ?? node.committed.length;
    const last = node.committed[upTo - 1];
    if (last === undefined || upTo <= node.store.snapshot.index) return;
    node.store.write({ type: 'compaction', snapshot: { index: last.index, reign: last.reign } });
    this.#scheduleSync(node);
  }

  /** Lets a node send its newest snapshot to another, of its own accord: a replica may do that, leader or not. */
  offerSnapshot(from: string, to: string): void {
    this.#snapshots.send(this.node(from).id, this.node(to).id);
  }

  // Time.

  /** Lets `durationMs` pass; 0 handles everything that is due now. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const next = this.#agenda.take(endMs);
      if (next === undefined) break;
      this.nowMs = next.atMs;
      this.#handle(next.what);
    }
    this.nowMs = endMs;
  }

  /** Runs in slices of 5 ms until `holds`; false when it did not within `limitMs`. */
  runUntil(holds: () => boolean, limitMs = 10_000): boolean {
    const endMs = this.nowMs + limitMs;
    while (!holds()) {
      if (this.nowMs >= endMs) return false;
      this.run(5);
    }
    return true;
  }

  /** Makes `id` the leader: only its timers run until it is. */
  elect(id: string): void {
    const ticking = this.members.map((member) => this.node(member).ticking);
    for (const member of this.members) this.node(member).ticking = member === id;
    // All that it found or proposed when it won is committed; Multi-Paxos may have had nothing to propose.
    const won = this.runUntil(
      () => this.leader() === id && this.status(id).commitIndex === this.status(id).lastIndex,
    );
    this.members.forEach((member, at) => {
      this.node(member).ticking = ticking[at] ?? true;
    });
    invariant(won, `${id} did not win an election`);
  }

  // Faults.

  /** Stops the node as a power loss would: what its disk has not synced is gone. */
  crash(id: string): void {
    const node = this.node(id);
    if (node.state === undefined) return;
    node.state = undefined;
    node.paused = false;
    node.diskHeld = false;
    node.store.loseUnsynced();
    this.safety.stopped(node.id);
  }

  restart(id: string): void {
    const node = this.node(id);
    invariant(node.state === undefined, `${id} runs already`);
    node.incarnation += 1;
    const startMs = this.random.below(1_000_000);
    node.clock = new LocalClock({
      startMs,
      sinceMs: this.nowMs,
      rate: drawBetween(this.random, this.clockRates),
    });
    const recovered = node.store.recover();
    node.committed = node.committed.slice(0, recovered.snapshot.index);
    const seed = this.random.below(2 ** 31);
    const state = this.protocol.start(
      { ...this.options, self: node.id, seed, isAppointed: node.incarnation === 1 && id === this.#appointed },
      recovered,
      node.clock.at(this.nowMs),
    );
    node.state = state;
    this.safety.started(node.id, this.protocol.inspect(state), recovered);
    this.#schedule(this.random.next() * this.#tickMs(), {
      type: 'tick',
      node: node.id,
      incarnation: node.incarnation,
    });
  }

  /** Stops the node's thread: what is due for it waits until `resume`. */
  pause(id: string): void {
    this.node(id).paused = true;
  }

  resume(id: string): void {
    this.node(id).paused = false;
  }

  /** Syncs of this node do not complete until `releaseDisk`. */
  holdDisk(id: string): void {
    this.node(id).diskHeld = true;
  }

  releaseDisk(id: string): void {
    const node = this.node(id);
    node.diskHeld = false;
    for (let write = 0; write < node.store.unsyncedCount; write++) this.#scheduleSync(node);
  }

  /** One sync, at once, makes the oldest `count` writes of a node durable; the protocol hears of the last mark. */
  syncWrites(id: string, count: number): void {
    const { store } = this.node(id);
    let mark: number | undefined;
    let compacted: LogIndex | undefined;
    for (let write = 0; write < count; write++) {
      const written = store.syncNext();
      if (written.type === 'compaction') {
        compacted = written.snapshot.index;
        continue;
      }
      mark = written.mark;
      for (const { to, message } of written.thenSend) this.#post(id as NodeId, to, message as M);
    }
    if (mark !== undefined) {
      this.safety.durable(id as NodeId, mark);
      this.input(id, { type: 'persisted', mark });
    }
    if (compacted !== undefined) this.input(id, { type: 'compacted', index: compacted });
  }

  /** Cuts the link in one direction. */
  cutOneWay(from: string, to: string): void {
    this.#mail.links.cutOneWay(from, to);
  }

  isLinked(from: string, to: string): boolean {
    return !this.#mail.links.isCut(from, to);
  }

  cut(one: string, other: string): void {
    this.#mail.links.cutOneWay(one, other);
    this.#mail.links.cutOneWay(other, one);
  }

  /** Only nodes of the same side reach each other; who is in no side is alone. */
  partition(...sides: readonly (readonly string[])[]): void {
    this.#mail.links.partition(sides);
  }

  /** All links whole and clean, all disks and threads going; nodes that are down stay down. */
  heal(): void {
    this.#mail.heal();
    for (const id of this.members) {
      const node = this.node(id);
      node.paused = false;
      if (node.diskHeld) this.releaseDisk(id);
    }
  }

  // Messages by hand.

  get network(): NetworkConditions {
    return this.#mail.network;
  }

  set network(conditions: NetworkConditions) {
    this.#mail.network = conditions;
  }

  /** Messages for which `matches` holds are set aside in `held` instead of sent. */
  set hold(matches: (envelope: Envelope<M>) => boolean) {
    this.#mail.hold = matches;
  }

  get held(): readonly Envelope<M>[] {
    return this.#mail.held;
  }

  /** Delivers held messages at once, in the order of their sending. */
  deliverHeld(matches: (envelope: Envelope<M>) => boolean = () => true): number {
    return this.#mail.deliverHeld(matches);
  }

  dropHeld(matches: (envelope: Envelope<M>) => boolean = () => true): void {
    this.#mail.dropHeld(matches);
  }

  /** Delivers a message now, whatever the network's state; may be called twice for a duplicate. */
  deliver(envelope: Envelope<M>): void {
    if (!this.isUp(envelope.to)) return;
    const message = this.protocol.decodeMessage(envelope.wire);
    this.input(envelope.to, { type: 'receive', from: envelope.from, message });
  }

  #tickMs(): number {
    return this.options.heartbeatMs / 5;
  }

  #found({ store }: ClusterNode<S>): void {
    const appointed = this.#appointed;
    if (appointed === undefined) return;
    const founding = { members: this.members, appointed, base: 0 as LogIndex, reign: 0 as Reign };
    store.hardState = this.protocol.foundingHardState(founding);
  }

  #schedule(delayMs: number, due: Due<M>): void {
    this.#agenda.add(this.nowMs + delayMs, due);
  }

  #scheduleSync(node: ClusterNode<S>): void {
    this.#schedule(drawBetween(this.random, this.syncMs), {
      type: 'sync',
      node: node.id,
      incarnation: node.incarnation,
    });
  }

  #handle(due: Due<M>): void {
    switch (due.type) {
      case 'tick': {
        const node = this.node(due.node);
        if (node.incarnation !== due.incarnation || node.state === undefined) return;
        if (!node.paused && node.ticking) this.input(due.node, { type: 'tick' });
        this.#schedule(this.#tickMs(), due);
        return;
      }
      case 'message': {
        const { from, to } = due.envelope;
        if (this.#mail.links.isCut(from, to)) return;
        if (this.node(to).paused) this.#schedule(5, due);
        else this.deliver(due.envelope);
        return;
      }
      case 'sync':
        this.#completeSyncs(due);
        return;
      case 'snapshot':
        this.#snapshots.deliver(due);
        return;
      case 'snapshot-sent':
        this.#snapshots.report(due.transfer, due.delivered);
        return;
    }
  }

  /** Completes one sync and, as a group commit would, sometimes those queued behind it. */
  #completeSyncs({ node: id, incarnation }: { readonly node: NodeId; readonly incarnation: number }): void {
    const node = this.node(id);
    if (node.incarnation !== incarnation || node.state === undefined) return;
    if (node.diskHeld || node.store.unsyncedCount === 0) return;
    if (node.paused) {
      this.#schedule(5, { type: 'sync', node: id, incarnation });
      return;
    }
    let writes = 1;
    while (writes < node.store.unsyncedCount && this.random.chance(0.5)) writes += 1;
    this.syncWrites(id, writes);
  }

  #carryOut(node: ClusterNode<S>, effect: Effect<M>): void {
    switch (effect.type) {
      case 'send':
        this.#post(node.id, effect.to, effect.message);
        return;
      case 'persist':
      case 'install':
        if (effect.type === 'install') {
          node.committed = [...this.#snapshots.prefixFor(node.id, effect.snapshot)];
          this.safety.installed(node.id, effect.snapshot.index);
        }
        node.store.write(effect as Effect<unknown> & { type: 'persist' | 'install' });
        this.#scheduleSync(node);
        return;
      case 'committed':
        for (const entry of effect.entries) node.committed.push(entry);
        this.safety.committed(node.id, effect.entries, [...this.nodes.values()]);
        return;
      case 'accepted':
      case 'refused':
        this.#lastOutcome = effect;
        return;
      case 'read-ready':
      case 'read-refused': {
        const asked = this.reads.get(effect.read);
        invariant(asked?.outcome === 'waiting', `read ${effect.read} is answered once`);
        asked.outcome = effect.type === 'read-ready' ? effect.index : 'refused';
        return;
      }
      case 'send-snapshot':
        this.#snapshots.send(node.id, effect.to);
        return;
      case 'role':
      case 'transfer-failed':
        return;
      default:
        assertNever(effect, 'an effect');
    }
  }

  #post(from: NodeId, to: NodeId, message: M): void {
    const wire = copyOfPlainData(this.protocol.encodeMessage(message));
    this.#mail.post({ from, to, wire, message: this.protocol.decodeMessage(wire) });
  }
}
