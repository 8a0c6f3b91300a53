/**
 * One simulation: a seed, an algorithm, a plan of faults, and everything that must hold.
 *
 * First chaos, with the safety properties checked after every step; then everything is mended, and the
 * cluster must answer again within bounded time, agree on one state, have applied each command once, and
 * have told a linearizable history.
 */
import { defaultTuning, loadProtocol, majoritySize, type OpenedReplica } from '@quorate/consensus';
import { errorToData, type NodeId, type Random, seededRandom } from '@quorate/core';
import { drawFaultPlan, type FaultPlan, type Strike, sidesOf } from './fault-plan.ts';
import { checkInvariants, InvariantMemory, type NodeView } from './invariants/index.ts';
import { checkLinearizability } from './linearizability.ts';
import { plant } from './planted-bugs.ts';
import registers, { type RegisterAudit } from './registers.ts';
import { type FaultCounts, SimulatedCluster } from './simulated-cluster.ts';
import type { NetworkCounts, Weather } from './simulated-network.ts';
import { SimulatedWorkload } from './simulated-workload.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';

export interface SimulationOptions {
  readonly algorithm: string;
  readonly seed: number;
  /** Operations that must be acknowledged before the end; default 1,000. */
  readonly operations?: number;
  /** Changes of leader that must be seen before the end; default 1. */
  readonly leaderChanges?: number;
  /** Operations outstanding all the time, over two clients; default 16. */
  readonly outstanding?: number;
  /** Share of answers to clients that are lost during chaos; by default as the plan has it for all. */
  readonly answersDropRate?: number;
  /** Takes a guard out: see `plantedBugs`. */
  readonly plantedBug?: string;
  /** Keeps the whole trace in the result. */
  readonly keepTrace?: boolean;
}

export interface SimulationResult {
  readonly algorithm: string;
  readonly seed: number;
  readonly nodes: number;
  /** Undefined if all held; else what did not, in one line. */
  readonly violation: string | undefined;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly leaderChanges: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly faults: FaultCounts & NetworkCounts;
  /** Equal for equal runs. */
  readonly traceChecksum: string;
  readonly trace: string;
}

/** Compare-and-set among very many at once makes a history that nobody can check in reasonable time. */
function workloadFor({ outstanding = 16 }: SimulationOptions): { keys: number; casShare: number } {
  return outstanding <= 64 ? { keys: 8, casShare: 0.2 } : { keys: 64, casShare: 0 };
}

/** Virtual milliseconds after mending within which everything must have been answered. */
const recoveryMsMax = 20_000;
/** A run that has not come to its end by then is not alive. */
const chaosMsMax = 300_000;

/** Runs one seed to its end. Resolves also when something did not hold: the result says what. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const random = seededRandom(options.seed);
  const plan = drawFaultPlan(random.fork('plan'));
  const time = new VirtualTime();
  const trace = new Trace(options.keepTrace ?? false);
  const run = new SimulationRun(options, plan, random, time, trace);
  let violation: string | undefined;
  try {
    violation = await run.toTheEnd();
  } catch (error) {
    const { message, stack } = errorToData(error);
    violation = `${message}\n${stack ?? ''}`;
  }
  const { workload, cluster } = run;
  return {
    algorithm: options.algorithm,
    seed: options.seed,
    nodes: plan.nodes,
    violation,
    acknowledged: workload.acknowledged,
    refused: workload.refused,
    unknown: workload.unknown,
    leaderChanges: run.leaderChanges,
    steps: run.steps,
    virtualMs: time.nowMs,
    faults: { ...cluster.counts, ...cluster.network.counts() },
    traceChecksum: trace.checksum,
    trace: trace.text(),
  };
}

class SimulationRun {
  readonly cluster: SimulatedCluster;
  readonly workload: SimulatedWorkload;
  steps = 0;
  leaderChanges = 0;
  readonly #options: SimulationOptions;
  readonly #plan: FaultPlan;
  readonly #time: VirtualTime;
  readonly #memory: InvariantMemory;
  readonly #members: readonly NodeId[];
  #failure: string | undefined;
  #lastLeader: { name: NodeId; reign: number } | undefined;
  #isPlanOver = false;

  constructor(options: SimulationOptions, plan: FaultPlan, random: Random, time: VirtualTime, trace: Trace) {
    this.#options = options;
    this.#plan = plan;
    this.#time = time;
    this.#members = Array.from({ length: plan.nodes }, (_, at) => String.fromCharCode(97 + at) as NodeId);
    this.#memory = new InvariantMemory({ algorithm: options.algorithm, members: this.#members });
    this.workload = new SimulatedWorkload({
      time,
      trace,
      random: random.fork('workload'),
      ...workloadFor(options),
    });
    this.cluster = new SimulatedCluster({
      time,
      random: random.fork('cluster'),
      trace,
      algorithm: options.algorithm,
      members: this.#members,
      latency: { writeMs: [0.01, 0.1], datasyncMs: plan.datasyncMs, slowRate: 0.01 },
      tellsOfExits: plan.tellsOfExits,
      failed: (node, error) => {
        const { message, stack } = errorToData(error);
        this.#failure ??= `${node} stopped: ${stack ?? message}`;
      },
      replica: {
        machine: registers,
        loadProtocol: async (algorithm) => {
          const protocol = await loadProtocol(algorithm);
          return options.plantedBug === undefined ? protocol : plant(options.plantedBug, protocol);
        },
        tuning: {
          ...defaultTuning,
          snapshotEveryBytes: plan.snapshotEveryBytes,
          segmentBytes: 64 * 1024,
          appendBytesMax: 16 * 1024,
          appendsInFlightMax: 8,
        },
      },
    });
  }

  /** @returns what did not hold, or undefined */
  async toTheEnd(): Promise<string | undefined> {
    const { cluster, workload } = this;
    const { dropRate, duplicateRate, reorderRate, delayMs } = this.#plan;
    const { answersDropRate, outstanding = 16 } = this.#options;
    const further = answersDropRate === undefined ? {} : { answersDropRate };
    const weather = { dropRate, duplicateRate, reorderRate, delayMs, ...further };
    cluster.network.setWeather(weather);
    for (const name of this.#members) cluster.start(name);
    for (const name of ['client-1', 'client-2']) {
      workload.start(await cluster.addClient(name as NodeId), Math.ceil(outstanding / 2));
    }
    this.#scheduleStrikes(0, weather);
    const isOver = (): boolean =>
      this.#isPlanOver && workload.acknowledged >= (this.#options.operations ?? 1_000);
    const chaos = await this.#runUntil(isOver, chaosMsMax, 'the chaos phase did not come to its end');
    return chaos ?? (await this.#recover());
  }

  /** Mends everything and demands answers. */
  async #recover(): Promise<string | undefined> {
    const { cluster, workload } = this;
    cluster.healNetwork();
    cluster.network.setWeather({ dropRate: 0, duplicateRate: 0, reorderRate: 0, delayMs: [0.1, 0.5] });
    for (const node of cluster.nodes) {
      if (node.runtime === undefined) cluster.start(node.name);
      else if (node.isPaused) cluster.resume(node.name);
    }
    workload.stop();
    const answered = await this.#runUntil(() => workload.isDone, recoveryMsMax, 'operations went unanswered');
    if (answered !== undefined) return answered;
    const agree = await this.#runUntil(
      () => this.#haveAllApplied(),
      recoveryMsMax,
      'the replicas did not catch up',
    );
    return agree ?? this.#judge();
  }

  async #runUntil(isOver: () => boolean, withinMs: number, otherwise: string): Promise<string | undefined> {
    const endMs = this.#time.nowMs + withinMs;
    while (!isOver()) {
      if (this.#time.nowMs > endMs)
        return `${otherwise} within ${withinMs} ms of virtual time: ${this.#standing()}`;
      const wentOn = await this.#time.step();
      this.steps += 1;
      const violation = this.#failure ?? this.#checkStep();
      if (violation !== undefined) return violation;
      if (!wentOn) return `nothing is left to happen, but ${otherwise}`;
    }
    return undefined;
  }

  /** The safety properties, over the nodes on which something happened. */
  #checkStep(): string | undefined {
    const views: NodeView[] = [];
    for (const node of this.cluster.nodes) {
      if (!node.isTouched || node.opened === undefined) continue;
      node.isTouched = false;
      const { protocol, protocolState, state } = node.opened;
      const inspection = protocol.inspect(protocolState);
      views.push({ node: node.name, life: node.life, appliedIndex: state.appliedIndex, ...inspection });
      this.#noteLeader(node.name, inspection.role === 'leader', inspection.reign);
    }
    return views.length === 0 ? undefined : checkInvariants(views, this.#memory);
  }

  #noteLeader(name: NodeId, leads: boolean, reign: number): void {
    if (!leads || (this.#lastLeader !== undefined && reign <= this.#lastLeader.reign)) return;
    if (this.#lastLeader !== undefined && this.#lastLeader.name !== name) this.leaderChanges += 1;
    this.#lastLeader = { name, reign };
  }

  #haveAllApplied(): boolean {
    const positions = this.cluster.nodes.map((node) => appliedOf(node.opened));
    const commits = this.cluster.nodes.map((node) => node.opened?.replica.status().commitIndex ?? -1);
    return positions.every(
      (position) => position >= 0 && position === positions[0] && position === commits[0],
    );
  }

  /** Looks at the whole run from its end. */
  #judge(): string | undefined {
    const audits = this.cluster.nodes.map((node) => auditOf(node.opened));
    const [first] = audits;
    for (const [at, audit] of audits.entries()) {
      if (JSON.stringify(audit) !== JSON.stringify(first)) {
        return `${this.#members[at]} and ${this.#members[0]} applied the same entries and hold different states`;
      }
    }
    const counts = new Map(first?.applied);
    for (const [id, count] of counts) {
      if (count !== 1) return `command ${id} was applied ${count} times`;
      if (this.workload.refusedIds.has(id)) return `command ${id} was refused for good and then applied`;
    }
    for (const id of this.workload.acknowledgedIds) {
      if (!counts.has(id)) return `command ${id} was acknowledged and is lost`;
    }
    const verdict = checkLinearizability(this.workload.history.history(), 'cas-register');
    if (verdict.linearizable === true) return undefined;
    return `the history is not linearizable: ${verdict.explanation}`;
  }

  // --- strikes ----------------------------------------------------------------------------------

  #scheduleStrikes(at: number, calm: Weather): void {
    const strike = this.#plan.strikes[at] ?? this.#furtherStrike();
    if (strike === undefined) {
      this.#isPlanOver = true;
      return;
    }
    this.#time.after(strike.afterMs, () => {
      const mend = this.#strike(strike, calm);
      this.#time.after(strike.forMs, () => {
        mend();
        this.#scheduleStrikes(at + 1, calm);
      });
    });
  }

  /** A plan may pass without a change of leader: then leaders go on being struck until one has changed. */
  #furtherStrike(): Strike | undefined {
    if (this.leaderChanges >= (this.#options.leaderChanges ?? 1)) return undefined;
    return { kind: 'isolate-leader', afterMs: 50, forMs: 800, members: [0] };
  }

  /** @returns what mends it */
  #strike(strike: Strike, calm: Weather): () => void {
    const { cluster } = this;
    const one = this.#members[strike.members[0] ?? 0] as NodeId;
    const leader = cluster.leader() ?? one;
    const restart = (name: NodeId) => () => cluster.start(name);
    switch (strike.kind) {
      case 'crash-leader':
        cluster.crash(leader);
        return restart(leader);
      case 'crash-one':
        cluster.crash(one);
        return restart(one);
      case 'crash-writing-leader':
        cluster.crashAtNextWrite(leader);
        return () => cluster.revive(leader);
      case 'crash-writing-one':
        cluster.crashAtNextWrite(one);
        return () => cluster.revive(one);
      case 'kill-leader':
        cluster.kill(leader);
        return restart(leader);
      case 'kill-one':
        cluster.kill(one);
        return restart(one);
      case 'crash-all':
        for (const name of this.#members) cluster.crash(name);
        return () => {
          for (const name of this.#members) cluster.start(name);
        };
      case 'pause-leader':
        cluster.pause(leader);
        return () => cluster.resume(leader);
      case 'pause-one':
        cluster.pause(one);
        return () => cluster.resume(one);
      case 'isolate-leader':
        cluster.partition([[leader], this.#members.filter((name) => name !== leader)]);
        return () => cluster.healNetwork();
      case 'partition':
        cluster.partition(sidesOf(strike, this.#members));
        return () => cluster.healNetwork();
      case 'storm':
        cluster.network.setWeather({
          dropRate: 0.3,
          duplicateRate: 0.2,
          reorderRate: 0.3,
          delayMs: [0.1, 20],
        });
        return () => cluster.network.setWeather(calm);
    }
  }

  /** One line on who is where, for the message of a run that hangs. */
  #standing(): string {
    const nodes = this.cluster.nodes.map(({ name, opened }) => {
      if (opened === undefined) return `${name} down`;
      const { role, reign, commitIndex, appliedIndex } = opened.replica.status();
      return `${name} ${role} reign=${reign} commit=${commitIndex} applied=${appliedIndex}`;
    });
    const { acknowledged, refused, unknown } = this.workload;
    return `${nodes.join(', ')}; ${acknowledged} acknowledged, ${refused} refused, ${unknown} unknown, quorum ${majoritySize(this.#members.length)}`;
  }
}

function appliedOf(opened: OpenedReplica | undefined): number {
  return opened?.state.appliedIndex ?? -1;
}

function auditOf(opened: OpenedReplica | undefined): RegisterAudit | undefined {
  return opened?.state.ask(['audit']) as RegisterAudit | undefined;
}
