/**
 * Chaos under a seed: first every kind of fault while safety is checked, then none, and liveness is demanded.
 *
 * A failure carries its seed in the message; the same seed repeats it step by step.
 */
import { type NodeId, type Random, seededRandom } from '@quorate/core';
import type { Effect, Entry, Protocol, ProtocolOptions } from '../protocol.ts';
import { clockRateRatioMax, leaseMsFor } from '../replica/clock-bound.ts';
import { ProtocolCluster } from './cluster.ts';
import { NodeWatch } from './node-watch.ts';

/** One schedule of faults at random: whom, for how long, and the seed that repeats it. */
export interface ChaosSettings<S, M> {
  readonly protocol: Protocol<S, M>;
  readonly nodes: number;
  readonly seed: number;
  /** How long faults go on, in virtual time. */
  readonly chaosMs?: number;
  /** Within this after healing, everything must be committed everywhere. */
  readonly healMs?: number;
  readonly options?: Partial<ProtocolOptions>;
  /** Leases of the greatest length that is safe, clocks that differ in rate as much as they may. */
  readonly hasLeases?: boolean;
  /** Leaders are asked to hand over, to whoever. */
  readonly hasTransfers?: boolean;
  /** Idle leaders fall silent, and are given time to be idle. */
  readonly hasQuiescence?: boolean;
  /** Further checks of one protocol's own properties; called with every effect. */
  readonly observe?: (cluster: ProtocolCluster<S, M>, node: NodeId, effect: Effect<M>) => void;
}

/** What happened, for a test to see that its seeds were not idle. */
export interface ChaosReport {
  readonly accepted: number;
  readonly committed: number;
  readonly readsServed: number;
  /** Reads that a lease answered. */
  readonly leaseReads: number;
  /** Transfers that a leader was asked for. */
  readonly transfers: number;
  readonly leaderChanges: number;
  readonly crashes: number;
  readonly installs: number;
}

type Cluster<S, M> = ProtocolCluster<S, M>;

interface Tally {
  accepted: number;
  leaseReads: number;
  transfers: number;
  crashes: number;
  installs: number;
}

/**
 * Runs one seed: faults at random with every step checked, then all is mended, and everything must be committed
 * everywhere. Equal settings give equal runs.
 * @throws Error naming protocol, size, seed and what does not hold; the `cause` is the broken property
 */
export function runChaos<S, M>(settings: ChaosSettings<S, M>): ChaosReport {
  try {
    return runSeed(settings);
  } catch (cause) {
    const { seed, nodes, protocol } = settings;
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${protocol.name}, ${nodes} nodes, seed ${seed}: ${what}`, { cause });
  }
}

function runSeed<S, M>(settings: ChaosSettings<S, M>): ChaosReport {
  const { protocol, nodes, seed, chaosMs = 4_000, healMs = 5_000, options = {}, observe } = settings;
  const random = seededRandom(seed).fork('chaos');
  // In a storm no leader lasts: faults come faster than elections, and promises are cut off mid-write.
  const isStorm = random.chance(0.25);
  // Now and then timers that hardly differ, so that candidates meet.
  const electionTimeoutMs = isStorm || random.chance(0.3) ? ([100, 110] as const) : ([150, 300] as const);
  const cluster = new ProtocolCluster({
    protocol,
    nodes,
    seed,
    syncMs: [0.1, isStorm || random.chance(0.3) ? 60 : 6],
    network: roughNetwork(random),
    ...(settings.hasLeases === true ? { clockRates: [1, clockRateRatioMax] as const } : {}),
    options: {
      appendBytesMax: 40,
      appendsInFlightMax: 4,
      electionTimeoutMs,
      ...(settings.hasLeases === true ? { leaseMs: leaseMsFor(electionTimeoutMs[0]) } : {}),
      ...(settings.hasQuiescence === true ? { quiesces: true } : {}),
      ...options,
    },
  });
  const tally: Tally = { accepted: 0, leaseReads: 0, transfers: 0, crashes: 0, installs: 0 };
  cluster.onEffect = (node, effect) => {
    if (effect.type === 'install') tally.installs += 1;
    observe?.(cluster, node, effect);
  };
  const load = new Load(cluster, tally, settings);
  const watch = settings.hasQuiescence === true ? new NodeWatch(cluster) : undefined;
  let nextFaultMs = 300;
  while (cluster.nowMs < chaosMs) {
    cluster.run(5 + random.below(20));
    watch?.look();
    load.offer(random);
    if (cluster.nowMs < nextFaultMs) continue;
    nextFaultMs = cluster.nowMs + random.below(isStorm ? 30 : 200);
    if (isStorm && random.chance(0.6)) powerCycleMidWrite(cluster, random, tally);
    else if (settings.hasLeases === true && random.chance(0.15)) cutLeaderOff(cluster);
    else injectFault(cluster, random, tally);
  }
  healAndDemandLiveness(cluster, healMs, watch);
  return {
    ...tally,
    committed: cluster.safety.chosen.length,
    readsServed: [...cluster.reads.values()].filter(({ outcome }) => typeof outcome === 'number').length,
    leaderChanges: cluster.safety.leaderOfReign.size,
  };
}

function roughNetwork(random: Random): Cluster<unknown, unknown>['network'] {
  return {
    delayMs: [0.1, random.chance(0.3) ? 60 : 5],
    lossChance: random.chance(0.5) ? 0 : random.next() * 0.3,
    duplicateChance: random.next() * 0.2,
  };
}

/** Proposals and reads, mostly to whoever leads, sometimes to whoever does not. */
class Load<S, M> {
  readonly #cluster: Cluster<S, M>;
  readonly #tally: Tally;
  readonly #settings: ChaosSettings<S, M>;
  #proposals = 0;
  #idleUntilMs = 0;

  constructor(cluster: Cluster<S, M>, tally: Tally, settings: ChaosSettings<S, M>) {
    this.#cluster = cluster;
    this.#tally = tally;
    this.#settings = settings;
  }

  offer(random: Random): void {
    if (this.#cluster.nowMs < this.#idleUntilMs) return;
    const { hasQuiescence, hasTransfers } = this.#settings;
    if (hasQuiescence === true && random.chance(0.02)) {
      this.#idleUntilMs = this.#cluster.nowMs + random.below(800);
    }
    const up = this.#cluster.members.filter(
      (member) => this.#cluster.isUp(member) && !this.#cluster.node(member).paused,
    );
    const leaders = up.filter((member) => this.#cluster.status(member).role === 'leader');
    const target = pick(random, leaders.length > 0 && random.chance(0.9) ? leaders : up);
    if (target === undefined) return;
    if (random.chance(0.6)) this.#propose(target, 1 + random.below(4));
    if (random.chance(0.4)) this.#read(target, random);
    if (hasTransfers !== true || !random.chance(0.05)) return;
    const to = pick(random, this.#cluster.members);
    if (to === undefined || this.#cluster.status(target).role !== 'leader') return;
    this.#tally.transfers += 1;
    this.#cluster.input(target, { type: 'transfer', to });
  }

  #read(target: NodeId, random: Random): void {
    const mayUseLease = this.#settings.hasLeases === true && random.chance(0.7);
    const read = this.#cluster.read(target, { mayUseLease });
    // Nothing but a lease answers in the same step, unless one node is all there is.
    const isAnswered = typeof this.#cluster.readOutcome(read) === 'number';
    if (mayUseLease && isAnswered) this.#tally.leaseReads += 1;
  }

  #propose(target: NodeId, count: number): void {
    const texts = Array.from({ length: count }, () => `p${++this.#proposals}`);
    if (this.#cluster.propose(target, ...texts).type === 'accepted') this.#tally.accepted += count;
  }
}

function injectFault<S, M>(cluster: Cluster<S, M>, random: Random, tally: Tally): void {
  const { members } = cluster;
  const up = members.filter((member) => cluster.isUp(member));
  const down = members.filter((member) => !cluster.isUp(member));
  const victim = pick(random, up);
  switch (random.below(18)) {
    case 0:
    case 1: {
      // Power off whoever leads, as often as anybody; sometimes more than a majority at once.
      const target = random.chance(0.5) ? (cluster.leader() ?? victim) : victim;
      if (target === undefined) return;
      cluster.crash(target);
      tally.crashes += 1;
      if (random.chance(0.3)) tellPeersDown(cluster, target);
      return;
    }
    case 2:
    case 3:
    case 4: {
      const target = pick(random, down);
      if (target !== undefined) cluster.restart(target);
      return;
    }
    case 5: {
      const side = members.filter(() => random.chance(0.5));
      cluster.partition(
        side,
        members.filter((member) => !side.includes(member)),
      );
      return;
    }
    case 6: {
      const to = pick(random, members);
      if (victim !== undefined && to !== undefined && to !== victim) cluster.cutOneWay(victim, to);
      return;
    }
    case 7:
      cluster.partition(members);
      return;
    case 8:
      cluster.network = roughNetwork(random);
      return;
    case 9:
      if (victim !== undefined) cluster.pause(victim);
      return;
    case 10:
      for (const member of members) cluster.resume(member);
      return;
    case 11:
    case 12:
      powerCycleMidWrite(cluster, random, tally);
      return;
    case 13:
      if (victim === undefined) return;
      if (cluster.node(victim).diskHeld || random.chance(0.5)) cluster.releaseDisk(victim);
      else cluster.holdDisk(victim);
      return;
    default: {
      if (victim === undefined || cluster.node(victim).paused) return;
      const { committed, store } = cluster.node(victim);
      const fresh = committed.length - store.snapshot.index;
      cluster.compact(victim, committed.length - random.below(fresh + 1));
    }
  }
}

/** What a lease must survive: its leader goes on alone, while the others may elect another and write. */
function cutLeaderOff<S, M>(cluster: Cluster<S, M>): void {
  const leader = cluster.leader();
  if (leader === undefined) return;
  cluster.network = { delayMs: [0.1, 1], lossChance: 0, duplicateChance: 0 };
  cluster.partition(
    [leader],
    cluster.members.filter((member) => member !== leader),
  );
}

/** The worst moment for a power cut: something is written, maybe promised, and not synced. */
function powerCycleMidWrite<S, M>(cluster: Cluster<S, M>, random: Random, tally: Tally): void {
  const isWriting = (member: NodeId): boolean =>
    cluster.isUp(member) && cluster.node(member).store.unsyncedCount > 0;
  const victim = pick(random, cluster.members.filter(isWriting));
  if (victim === undefined) return;
  cluster.crash(victim);
  cluster.restart(victim);
  tally.crashes += 1;
}

/** The hint also comes when it is false, and to those who did not follow the victim. */
function tellPeersDown<S, M>(cluster: Cluster<S, M>, victim: NodeId): void {
  for (const member of cluster.members) {
    if (member === victim || !cluster.isUp(member) || cluster.node(member).paused) continue;
    cluster.input(member, { type: 'peer-down', peer: victim });
  }
}

function healAndDemandLiveness<S, M>(
  cluster: Cluster<S, M>,
  healMs: number,
  watch: NodeWatch<S, M> | undefined,
): void {
  cluster.heal();
  for (const member of cluster.members) if (!cluster.isUp(member)) cluster.restart(member);
  const startMs = cluster.nowMs;
  // A leader of before may accept a proposal and be deposed in the next moment: so more than one is tried.
  const marks: string[] = [];
  let nextMarkMs = startMs;
  const isEverywhere = cluster.runUntil(() => {
    watch?.look();
    const leader = cluster.leader();
    if (leader !== undefined && cluster.nowMs >= nextMarkMs) {
      nextMarkMs = cluster.nowMs + 200;
      const mark = `healed at ${cluster.nowMs}`;
      if (cluster.propose(leader, mark).type === 'accepted') marks.push(mark);
      cluster.read(leader);
    }
    const least = Math.min(...cluster.members.map((member) => cluster.node(member).committed.length));
    return marks.includes(textOf(cluster.safety.chosen[least - 1]));
  }, healMs);
  demand(isEverywhere, 'after healing a proposal is committed everywhere');
  const changes = cluster.safety.leaderOfReign.size;
  cluster.run(1_000);
  demand(cluster.safety.leaderOfReign.size === changes, 'a healthy cluster keeps its leader');
  for (const [number, { node, incarnation, outcome }] of cluster.reads) {
    const isAlive = cluster.node(node).incarnation === incarnation;
    demand(outcome !== 'waiting' || !isAlive, `read ${number} does not hang`);
  }
}

function textOf(entry: Entry | undefined): string {
  return new TextDecoder().decode(entry?.payload);
}

function demand(condition: boolean, property: string): void {
  if (!condition) throw new Error(`liveness: ${property}`);
}

function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : from[random.below(from.length)];
}
