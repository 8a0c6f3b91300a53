/**
 * One simulation: a seed, an algorithm, a plan of faults, and everything that must hold.
 *
 * First chaos, with the safety properties checked after every step and every read held to its promise as it
 * is answered; then everything is mended, and the cluster must answer again within bounded time, agree on one
 * state, have applied each command once, and have told a linearizable history.
 */
import { loadProtocol, majoritySize, type OpenedReplica } from '@quorate/consensus';
import { errorToData, type NodeId, optionInvalid, type Random, seededRandom } from '@quorate/core';
import { AppliedOrder } from './applied-order.ts';
import { type Circumstances, calmWeather, drawCircumstances } from './circumstances.ts';
import { drawFaultPlan, type FaultPlan, type Strike } from './fault-plan.ts';
import { checkLinearizability } from './linearizability.ts';
import { observedRegisters } from './observed-registers.ts';
import { noOrders, Operator, type OrderCounts } from './operator.ts';
import { plant } from './planted-bugs.ts';
import registers, { type RegisterAudit } from './registers.ts';
import { isForRestingGroup, RestingGroups } from './resting-groups.ts';
import { SafetyWatch } from './safety-watch.ts';
import { type FaultCounts, SimulatedCluster } from './simulated-cluster.ts';
import type { NetworkCounts } from './simulated-network.ts';
import { type CountsByLevel, SimulatedWorkload } from './simulated-workload.ts';
import { type StrikeCounts, Striker } from './striker.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';

/** One seed, and what to do otherwise than it says. Equal options give equal runs, on every machine. */
export interface SimulationOptions {
  readonly algorithm: string;
  readonly seed: number;
  /** Operations that must be acknowledged before the end; default 1,000. */
  readonly operations?: number;
  /** Changes of leader that must be seen before the end, with three nodes or more; default 1. */
  readonly leaderChanges?: number;
  /** Members, 1 to 7; by default as the plan has it. */
  readonly nodes?: number;
  /** Which strikes of the plan happen, by place from 0 on; default all. */
  readonly strikes?: readonly number[];
  /** Circumstances to be made harmless: see `calmable`. */
  readonly calm?: readonly string[];
  /** Operations outstanding all the time, over two clients; default 16. */
  readonly outstanding?: number;
  /** Share of answers to clients that are lost during chaos; by default as the plan has it for all. */
  readonly answersDropRate?: number;
  /**
   * Whether an operator gives orders during chaos: members join and leave, the algorithm is swapped, the lead is
   * handed over, a disk is exchanged. Default: one does in half of all seeds.
   */
  readonly isOperated?: boolean;
  /** Takes a guard out: see `plantedBugs`. */
  readonly plantedBug?: string;
  /** Keeps the whole trace in the result. */
  readonly keepTrace?: boolean;
}

/** What one run did, saw and found. Times are virtual. */
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
  /** Epochs that were entered, the first included. */
  readonly epochs: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** From the mending to the first acknowledgement of something asked after it; undefined if it never came. */
  readonly firstAnswerMs: number | undefined;
  /** With the clocks of founding members that do not keep time. */
  readonly faults: FaultCounts & NetworkCounts & { readonly driftingClocks: number };
  readonly strikes: StrikeCounts;
  readonly orders: OrderCounts;
  /** Whether an order of the whole history was searched for to the end; not in a run that ended before. */
  readonly isHistoryJudged: boolean;
  /** Reads answered by level, and those of them that saw what somebody knew to be overwritten. */
  readonly reads: CountsByLevel;
  readonly staleReads: CountsByLevel;
  /** Those that saw what their own session knew to be overwritten. */
  readonly readsBehindSession: CountsByLevel;
  /** How many strikes the plan of the seed has, carried out or not. */
  readonly planned: number;
  /** Equal for equal runs. */
  readonly traceChecksum: string;
  readonly trace: string;
}

/** Compare-and-set among very many at once makes a history that nobody can check in reasonable time. */
function workloadFor({ outstanding = 16 }: SimulationOptions): { keys: number; casShare: number } {
  return outstanding <= 64 ? { keys: 8, casShare: 0.2 } : { keys: 64, casShare: 0 };
}

/** Virtual milliseconds from the mending until something asked after it is answered: ten election timeouts. */
const firstAnswerMsMax = 3_000;
/** Virtual milliseconds within which all that was asked must then be answered, and then all replicas be level. */
const answersMsMax = 6_000;
const catchUpMsMax = 15_000;
/** A run that has not come to its end by then is not alive. */
const chaosMsMax = 120_000;
/** What the search for an order may look at: some seconds' worth in the worst of seeds. */
const searchLimits = { inspectionsMax: 20_000_000 };
/** After the plan, until leaders have changed often enough, one is struck at such intervals, and longer ones. */
const furtherStrikeMs = 850;
/** So many in vain, and perhaps nobody else can lead. */
const vainStrikesMax = 8;

/** Nodes that may be admitted in the course of a run. */
const spareNames = ['w', 'x', 'y'] as readonly string[] as readonly NodeId[];
const clientNames = ['client-1', 'client-2'] as readonly string[] as readonly NodeId[];

/**
 * Runs one seed to its end. Resolves also when something did not hold: the result says what.
 * @throws CodedError ERR_OPTION_INVALID
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const random = seededRandom(options.seed);
  const plan = chosenPlan(drawFaultPlan(random.fork('plan')), options);
  const circumstances = drawCircumstances(random.fork('circumstances'), options.calm);
  const time = new VirtualTime();
  const trace = new Trace(options.keepTrace ?? false);
  const run = new SimulationRun({ options, plan, circumstances, random, time, trace });
  let violation: string | undefined;
  try {
    violation = await run.toTheEnd();
  } catch (error) {
    const { message, stack } = errorToData(error);
    violation = `${message}\n${stack ?? ''}`;
  }
  const { workload, cluster, striker } = run;
  return {
    algorithm: options.algorithm,
    seed: options.seed,
    nodes: plan.nodes,
    violation,
    acknowledged: workload.acknowledged,
    refused: workload.refused,
    unknown: workload.unknown,
    leaderChanges: run.leaderChanges,
    epochs: run.epochs,
    steps: time.steps,
    virtualMs: time.nowMs,
    firstAnswerMs: run.firstAnswerMs,
    faults: { ...cluster.counts, ...cluster.network.counts(), driftingClocks: run.driftingClocks },
    strikes: striker.counts,
    orders: run.orders,
    isHistoryJudged: run.isHistoryJudged,
    reads: workload.reads,
    staleReads: workload.staleReads,
    readsBehindSession: workload.readsBehindSession,
    planned: plan.planned,
    traceChecksum: trace.checksum,
    trace: trace.text(),
  };
}

interface ChosenPlan extends FaultPlan {
  /** How many strikes there were to choose from. */
  readonly planned: number;
}

function chosenPlan(plan: FaultPlan, { nodes = plan.nodes, strikes }: SimulationOptions): ChosenPlan {
  if (!Number.isSafeInteger(nodes) || nodes < 1 || nodes > 7)
    throw optionInvalid('nodes', nodes, 'a whole number from 1 to 7');
  const planned = plan.strikes.length;
  for (const at of strikes ?? []) {
    if (plan.strikes[at] === undefined)
      throw optionInvalid('strikes', at, `0 to ${planned - 1}, of the ${planned} strikes of this seed`);
  }
  const isChosen = (at: number): boolean => strikes === undefined || strikes.includes(at);
  return { nodes, planned, strikes: plan.strikes.filter((_, at) => isChosen(at)) };
}

interface RunParts {
  readonly options: SimulationOptions;
  readonly plan: FaultPlan;
  readonly circumstances: Circumstances;
  readonly random: Random;
  readonly time: VirtualTime;
  readonly trace: Trace;
}

class SimulationRun {
  readonly cluster: SimulatedCluster;
  readonly workload: SimulatedWorkload;
  readonly striker: Striker;
  firstAnswerMs: number | undefined;
  isHistoryJudged = false;
  readonly #parts: RunParts;
  readonly #watch: SafetyWatch;
  #operator: Operator | undefined;
  readonly #resting: RestingGroups;
  readonly #members: readonly NodeId[];
  readonly #order = new AppliedOrder();
  #failure: string | undefined;
  #isPlanOver = false;
  #furtherStrikes = 0;

  constructor(parts: RunParts) {
    const { options, plan, circumstances, random, time, trace } = parts;
    this.#parts = parts;
    this.#members = Array.from({ length: plan.nodes }, (_, at) => String.fromCharCode(97 + at) as NodeId);
    this.workload = new SimulatedWorkload({
      time,
      trace,
      random: random.fork('workload'),
      order: this.#order,
      members: this.#members,
      readShares: circumstances.readShares,
      lullMs: circumstances.lullMs,
      ...workloadFor(options),
    });
    this.cluster = this.#newCluster();
    this.#resting = new RestingGroups({
      cluster: this.cluster,
      members: this.#members,
      groups: Array.from({ length: circumstances.groups - 1 }, (_, group) => group),
      time,
      trace,
      random: random.fork('resting groups'),
    });
    this.#watch = new SafetyWatch(this.cluster, ({ node }) => this.striker.leaderSeen(node));
    this.striker = new Striker({
      cluster: this.cluster,
      time,
      clients: clientNames,
      weather: this.#weather(),
      restartClient: (name) => {
        this.workload.abandon(name);
        this.#startClient(name);
      },
    });
  }

  get epochs(): number {
    return this.#watch.epochs;
  }

  get leaderChanges(): number {
    const { leaders } = this.#watch;
    return leaders.filter(({ node }, at) => at > 0 && node !== leaders[at - 1]?.node).length;
  }

  get orders(): OrderCounts {
    return this.#operator?.counts ?? noOrders();
  }

  get driftingClocks(): number {
    const { clockRates } = this.#parts.circumstances;
    return this.#members.filter((name) => this.#ofNode(clockRates, name) !== 1).length;
  }

  /** @returns what did not hold, or undefined */
  async toTheEnd(): Promise<string | undefined> {
    const { cluster, workload } = this;
    const { operations = 1_000 } = this.#parts.options;
    cluster.network.setWeather(this.#weather());
    for (const name of this.#members) cluster.start(name);
    for (const name of clientNames) this.#startClient(name);
    this.#resting.start();
    // Before time begins, everybody has come to their feet.
    await this.#parts.time.settle();
    this.#startOperator();
    this.#scheduleStrikes();
    const isOver = (): boolean => this.#isPlanOver && workload.acknowledged >= operations;
    const chaos = await this.#runUntil(isOver, chaosMsMax, 'the chaos phase did not come to its end');
    return chaos ?? (await this.#recover());
  }

  #startOperator(): void {
    const { options, circumstances, random, time, trace } = this.#parts;
    const ofSeed = random.fork('epoch changes');
    if (!(options.isOperated ?? ofSeed.chance(0.5))) return;
    void this.cluster.addClient('operator' as NodeId).then((client) => {
      this.#operator = new Operator({
        time,
        trace,
        random: ofSeed,
        cluster: this.cluster,
        client,
        algorithms: ['raft', 'multi-paxos'],
        spares: spareNames,
        membersMax: Math.max(5, this.#members.length),
        exchangesDisks: circumstances.groups === 1,
        everyMs: [100, 1_200],
      });
      this.#operator.start();
    });
  }

  /** Mends everything and demands answers. */
  async #recover(): Promise<string | undefined> {
    const { cluster, workload } = this;
    const { time } = this.#parts;
    this.striker.mendAll();
    this.#operator?.stop();
    cluster.network.setWeather({ ...calmWeather, delayMs: [0.1, 0.5] });
    workload.mark();
    const mendedMs = time.nowMs;
    const alive = await this.#runUntil(
      () => workload.answeredSinceMark,
      firstAnswerMsMax,
      'nothing was answered',
    );
    if (alive !== undefined) return alive;
    this.firstAnswerMs = time.nowMs - mendedMs;
    workload.stop();
    const isDone = (): boolean => workload.isDone && (this.#operator?.isDone ?? true);
    const answered = await this.#runUntil(isDone, answersMsMax, 'operations went unanswered');
    if (answered !== undefined) return answered;
    const agree = await this.#runUntil(
      () => this.#haveAllApplied(),
      catchUpMsMax,
      'the replicas did not catch up',
    );
    if (agree !== undefined) return agree;
    this.#resting.demandAnswers();
    const others = await this.#runUntil(
      () => this.#resting.areLevel,
      answersMsMax,
      'a resting group did not answer, or its replicas did not catch up',
    );
    return others ?? this.#judge();
  }

  async #runUntil(isOver: () => boolean, withinMs: number, otherwise: string): Promise<string | undefined> {
    const { time } = this.#parts;
    const endMs = time.nowMs + withinMs;
    let violation: string | undefined;
    const wentOn = await time.runUntil(() => {
      violation = this.#failure ?? this.#checkStep();
      if (violation !== undefined || isOver()) return true;
      if (time.nowMs > endMs)
        violation = `${otherwise} within ${withinMs} ms of virtual time: ${this.#standing()}`;
      return violation !== undefined;
    });
    return wentOn ? violation : `nothing is left to happen, but ${otherwise}`;
  }

  #checkStep(): string | undefined {
    return this.#watch.check() ?? this.#order.violation ?? this.workload.violation;
  }

  #haveAllApplied(): boolean {
    const { nodes: started } = this.cluster;
    const positions = started.map((node) => appliedOf(node.opened));
    const statuses = started.map((node) => node.opened?.replica.status());
    const isLevel = positions.every(
      (position) => position >= 0 && position === positions[0] && position === statuses[0]?.commitIndex,
    );
    return isLevel && statuses.every((status) => status?.epoch === statuses[0]?.epoch);
  }

  /** Looks at the whole run from its end. */
  #judge(): string | undefined {
    const { nodes: started } = this.cluster;
    const [first, ...audits] = started.map((node) => auditOf(node.opened));
    for (const [at, audit] of audits.entries()) {
      if (JSON.stringify(audit) !== JSON.stringify(first)) {
        return `${started[at + 1]?.name} and ${started[0]?.name} applied the same entries and hold different states`;
      }
    }
    const hashes = new Set(started.map((node) => node.opened?.state.stateHash()));
    if (hashes.size > 1) return `equal states have different hashes: ${[...hashes].join(', ')}`;
    const counts = new Map(first?.applied);
    for (const [id, count] of counts) {
      if (count !== 1) return `command ${id} was applied ${count} times`;
      if (this.workload.refusedIds.has(id)) return `command ${id} was refused for good and then applied`;
    }
    for (const id of this.workload.acknowledgedIds) {
      if (!counts.has(id)) return `command ${id} was acknowledged and is lost`;
    }
    const other = this.workload.takeoverViolation() ?? this.#resting.violation();
    if (other !== undefined) return other;
    const verdict = checkLinearizability(this.workload.history.history(), 'cas-register', searchLimits);
    // It gives up where too many outcomes are unknown. It is a second opinion: the order of application has judged all.
    this.isHistoryJudged = verdict.linearizable !== 'unknown';
    if (verdict.linearizable !== false) return undefined;
    return `the history is not linearizable: ${verdict.explanation}`;
  }

  // --- parts ------------------------------------------------------------------------------------

  #newCluster(): SimulatedCluster {
    const { options, circumstances, random, time, trace } = this.#parts;
    const { datasyncMs, tellsOfExits, groups, tuning, sessionLimits, clientLimits } = circumstances;
    return new SimulatedCluster({
      time,
      random: random.fork('cluster'),
      trace,
      algorithm: options.algorithm,
      members: this.#members,
      group: groups - 1,
      latency: { writeMs: [0.01, 0.1], datasyncMs, slowRate: 0.01 },
      tellsOfExits,
      clockRateOf: (name) => this.#ofNode(circumstances.clockRates, name),
      clientLimits,
      machine: ({ node, spend }) => {
        const applyMs = this.#ofNode(circumstances.applyMs, node);
        return observedRegisters({
          applying: () => spend(applyMs),
          applied: (position, command, answer) => {
            if (!isForRestingGroup(command)) this.#order.note(node, position, command, answer);
          },
        });
      },
      failed: (node, error) => {
        if (this.striker.explains(node, error)) return;
        const { message, stack } = errorToData(error);
        this.#failure ??= `${node} stopped: ${stack ?? message}`;
      },
      replica: {
        groups,
        machine: registers,
        loadProtocol: async (algorithm) => {
          const protocol = await loadProtocol(algorithm);
          return options.plantedBug === undefined ? protocol : plant(options.plantedBug, protocol);
        },
        tuning,
        ...(sessionLimits === undefined ? {} : { sessionLimits }),
      },
    });
  }

  /** The share of a node or client: the list begins with the nodes and is used in turn. */
  #ofNode(list: readonly number[], name: NodeId): number {
    const at = this.#members.indexOf(name);
    const others = [...clientNames, 'operator', ...spareNames];
    const place = at >= 0 ? at : this.#members.length + others.indexOf(name);
    return list[place % list.length] as number;
  }

  #startClient(clientName: NodeId): void {
    const { outstanding = 16 } = this.#parts.options;
    const { sessionsPerClient, isNamed } = this.#parts.circumstances;
    const processes = Math.ceil(outstanding / clientNames.length / sessionsPerClient);
    void this.cluster.addClient(clientName).then((client) => {
      for (let at = 1; at <= sessionsPerClient; at++) {
        const name = isNamed ? `${clientName} session ${at}` : undefined;
        this.workload.start({ clientName, client, processes, name });
      }
    });
  }

  #weather(): Circumstances['weather'] {
    const { answersDropRate } = this.#parts.options;
    const { weather } = this.#parts.circumstances;
    return answersDropRate === undefined ? weather : { ...weather, answersDropRate };
  }

  // --- strikes ----------------------------------------------------------------------------------

  #scheduleStrikes(): void {
    const { plan, time } = this.#parts;
    let endMs = 0;
    for (const strike of plan.strikes) {
      time.after(strike.atMs, () => this.striker.strike(strike));
      endMs = Math.max(endMs, strike.atMs + strike.forMs);
    }
    time.after(endMs, () => this.#afterThePlan());
  }

  /** A plan may pass without a change of leader: then leaders go on being struck until one has changed. */
  #afterThePlan(): void {
    const { options, time } = this.#parts;
    const isReduced = this.#operator?.leavesFewVoters === true && this.#furtherStrikes >= vainStrikesMax;
    const wanted = this.#members.length < 3 || isReduced ? 0 : (options.leaderChanges ?? 1);
    if (this.leaderChanges >= wanted) {
      this.#isPlanOver = true;
      return;
    }
    const strike: Strike = { kind: 'isolate', atMs: 0, forMs: 800, target: 'leader', seed: 0 };
    this.striker.strike(strike);
    // The pauses grow: a cluster may have to catch up before another of its nodes can lead.
    this.#furtherStrikes += 1;
    time.after(this.#furtherStrikes * furtherStrikeMs, () => this.#afterThePlan());
  }

  /** One line on who is where, for the message of a run that hangs. */
  #standing(): string {
    const nodes = this.cluster.nodes.map(({ name, opened }) => {
      if (opened === undefined) return `${name} down`;
      const { role, epoch, reign, commitIndex, appliedIndex } = opened.replica.status();
      return `${name} ${role} epoch=${epoch} reign=${reign} commit=${commitIndex} applied=${appliedIndex}`;
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
