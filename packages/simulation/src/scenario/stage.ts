/**
 * The stage on which a scenario is played: a simulated cluster, its clients, its mail and its disks, and the
 * checks that run after every step.
 */
import {
  type Client,
  defaultTuning,
  loadProtocol,
  type Protocol,
  type ReplicaTuning,
  type StateMachineDefinition,
} from '@quorate/consensus';
import { errorToData, invariant, type NodeId, optionInvalid, seededRandom } from '@quorate/core';
import registers, { type RegisterAudit } from '../registers.ts';
import { SafetyWatch } from '../safety-watch.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import type { SimulatedNode } from '../simulated-node.ts';
import { Trace } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { Conversation } from './conversation.ts';
import { Mail } from './mail.ts';
import { steered } from './steering.ts';

type AnyProtocol = Protocol<unknown, unknown>;

/** Something that a scenario demands does not hold. */
export class ScenarioFailure extends Error {}

/** What is chosen before the cluster starts. */
export interface StageSettings {
  seed: number;
  tuning: ReplicaTuning;
  machine: StateMachineDefinition;
}

/** Spoils what stands at a border of the cluster: a guard taken out, to show that a scenario needs it. */
export interface Plant {
  readonly protocol?: (protocol: AnyProtocol) => AnyProtocol;
  readonly machine?: (machine: StateMachineDefinition) => StateMachineDefinition;
}

interface Built {
  readonly cluster: SimulatedCluster;
  readonly watch: SafetyWatch;
}

const delayMsDefault = [0.1, 0.5] as const;
/** Between two writes of a load. */
const loadPauseMs = 20;

export class Stage {
  readonly algorithm: string;
  readonly time = new VirtualTime();
  readonly mail: Mail;
  readonly conversation: Conversation;
  readonly settings: StageSettings = {
    seed: 1,
    // No hints: who stands for election is the scenario's choice.
    tuning: { ...defaultTuning, segmentBytes: 64 * 1024, appendBytesMax: 16 * 1024, peerDownHints: false },
    machine: registers,
  };
  /** Who makes the calls of the present command. */
  speaker = '1';
  /** Nodes whose timers stand still. */
  readonly still = new Set<NodeId>();
  /** Nodes that have stopped for good in their present life, and why. */
  readonly stopped = new Map<NodeId, string>();
  /** What had been seen of elections when somebody last looked. */
  seen = { leaders: 0, reigns: 0 };
  /** By the nodes on which they live. */
  readonly clients = new Map<NodeId, Promise<Client>>();
  /** How many snapshots were begun to be sent to each node. */
  readonly snapshotsTo = new Map<NodeId, number>();
  /** How long a command keeps the thread of a node busy, where it takes any time. */
  readonly commandsTakeMs = new Map<NodeId, number>();
  /** Nodes in whose state, in their present life, each command leaves something random. */
  readonly byChance = new Set<NodeId>();
  /** How many bytes at most have waited on each node to be applied. */
  readonly unappliedMost = new Map<NodeId, number>();
  readonly #plant: Plant;
  readonly #chance = seededRandom(1);
  readonly #lines: string[] = [];
  readonly #begun: Promise<void>[] = [];
  #protocol: AnyProtocol | undefined;
  #built: Built | undefined;
  #load: { isOn: boolean; readonly ended: Promise<void> } | undefined;

  constructor(algorithm: string, plant: Plant) {
    this.algorithm = algorithm;
    this.#plant = plant;
    this.mail = new Mail(this.time, () => {
      invariant(this.#protocol !== undefined, 'messages come from a running cluster');
      return this.#protocol;
    });
    this.conversation = new Conversation(
      (name) => this.client(name),
      (line) => this.say(line),
    );
  }

  /** @throws CodedError ERR_OPTION_INVALID before `cluster` */
  get cluster(): SimulatedCluster {
    return this.#standing.cluster;
  }

  get watch(): SafetyWatch {
    return this.#standing.watch;
  }

  get #standing(): Built {
    if (this.#built === undefined) throw optionInvalid('command', 'this one', 'a cluster comes first');
    return this.#built;
  }

  /** What was said since it was last taken. */
  takeLines(): string[] {
    return this.#lines.splice(0);
  }

  say(line: string): void {
    this.#lines.push(line);
  }

  /** @throws CodedError ERR_OPTION_INVALID for a name that no member has */
  node(name: string): SimulatedNode {
    const found = this.cluster.nodes.find((node) => node.name === name);
    if (found === undefined) throw optionInvalid('node', name, this.cluster.members.join(', '));
    return found;
  }

  nodes(names: string): SimulatedNode[] {
    return names.split(' ').map((name) => this.node(name));
  }

  async build(members: readonly NodeId[]): Promise<void> {
    const { seed, tuning } = this.settings;
    const machine = this.#plant.machine?.(this.settings.machine) ?? this.settings.machine;
    const random = seededRandom(seed);
    this.#protocol = await loadProtocol(this.algorithm);
    const cluster = new SimulatedCluster({
      time: this.time,
      random,
      trace: new Trace(false),
      algorithm: this.algorithm,
      members,
      latency: { writeMs: [0.01, 0.1], datasyncMs: [0.2, 1], slowRate: 0 },
      tellsOfExits: false,
      failed: (node, error) => this.#failed(node, error),
      sorter: this.mail.sort,
      machine: ({ node, spend }) => this.#machineOf(machine, node, spend),
      replica: {
        machine,
        tuning,
        loadProtocol: async (algorithm) => this.#prepared(await loadProtocol(algorithm)),
      },
    });
    this.#built = { cluster, watch: new SafetyWatch(cluster) };
    this.setWeather({ dropRate: 0 });
    for (const name of members) cluster.start(name);
    await this.time.settle();
    await this.until(() => cluster.nodes.every(({ opened }) => opened !== undefined), 1_000, 'all are open');
  }

  /** Of all links from now on. */
  setWeather(weather: {
    readonly dropRate: number;
    readonly delayMs?: readonly [min: number, max: number];
  }): void {
    this.cluster.network.setWeather({ delayMs: delayMsDefault, ...weather });
  }

  /** Lets time pass. @throws ScenarioFailure as soon as a safety property is broken */
  async run(forMs: number): Promise<void> {
    let isOver = false;
    this.time.after(forMs, () => {
      isOver = true;
    });
    await this.#runUntil(() => isOver);
  }

  /** @throws ScenarioFailure if it does not come to hold in time */
  async until(holds: () => boolean, withinMs: number, what: string): Promise<void> {
    const endMs = this.time.nowMs + withinMs;
    await this.#runUntil(() => {
      if (holds()) return true;
      if (this.time.nowMs > endMs) throw new ScenarioFailure(`not within ${withinMs} ms: ${what}`);
      return false;
    });
  }

  /** Runs until `outcome` is settled; calls end by their own deadlines. */
  async finish(outcome: Promise<void>): Promise<void> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    outcome.then(settle, settle);
    await this.until(() => isSettled, 60_000, 'the call is answered');
    await outcome;
  }

  /** Lets something go on beside what follows. */
  begin(work: Promise<void>): void {
    this.#begun.push(work);
  }

  async awaitBegun(): Promise<void> {
    for (const work of this.#begun.splice(0)) await this.finish(work);
  }

  /** Whether the node leads under the highest reign of all. */
  leads(name: string): boolean {
    return this.cluster.leader() === name;
  }

  /** Starts writing into register l, one value every few milliseconds, until {@link endLoad}. */
  beginLoad(client: string): void {
    const load = { isOn: true, ended: Promise.resolve() };
    const work = async (): Promise<void> => {
      for (let value = 1; load.isOn; value++) {
        await this.conversation.put({ client, timeoutMs: 2_000 }, { key: 'l', value }, false);
        await new Promise<void>((resolve) => this.time.after(loadPauseMs, resolve));
      }
    };
    load.ended = work();
    this.#load = load;
  }

  async endLoad(): Promise<void> {
    invariant(this.#load !== undefined, 'a load ends that has begun');
    this.#load.isOn = false;
    await this.finish(this.#load.ended);
  }

  /** What must hold at the end of every scenario, whatever it was about. */
  judge(): void {
    const wrong = this.conversation.judgeHistory();
    if (wrong !== undefined) throw new ScenarioFailure(wrong);
  }

  auditOf(node: SimulatedNode): RegisterAudit | undefined {
    return node.opened?.state.ask(['audit']) as RegisterAudit | undefined;
  }

  async #runUntil(isOver: () => boolean): Promise<void> {
    const wentOn = await this.time.runUntil(() => {
      const violation = this.#built?.watch.check();
      this.#noteUnapplied();
      if (violation !== undefined) throw new ScenarioFailure(violation);
      return isOver();
    });
    if (!wentOn) throw new ScenarioFailure('nothing is left to happen');
  }

  /** The machine of one life of a node: as slow, and as random, as the scenario has it at the moment. */
  #machineOf(
    definition: StateMachineDefinition,
    node: NodeId,
    spend: (durationMs: number) => void,
  ): StateMachineDefinition {
    this.byChance.delete(node);
    return {
      ...definition,
      create: () => {
        const machine = definition.create();
        let chance = 0;
        return {
          ...machine,
          apply: (command, context) => {
            spend(this.commandsTakeMs.get(node) ?? 0);
            if (this.byChance.has(node)) chance = this.#chance.next();
            return machine.apply(command, context);
          },
          digest: () => `${machine.digest?.()} ${chance}`,
        };
      },
    };
  }

  #noteUnapplied(): void {
    for (const { name, opened } of this.#built?.cluster.nodes ?? []) {
      const unapplied = opened?.replica.unappliedBytes ?? 0;
      if (unapplied > (this.unappliedMost.get(name) ?? 0)) this.unappliedMost.set(name, unapplied);
    }
  }

  #prepared(protocol: AnyProtocol): AnyProtocol {
    const planted = this.#plant.protocol?.(protocol) ?? protocol;
    return steered(planted, {
      isStill: (node) => this.still.has(node),
      sendsSnapshot: (to) => this.snapshotsTo.set(to, (this.snapshotsTo.get(to) ?? 0) + 1),
    });
  }

  /** The client of this name, on a node of its own. */
  client(name: string): Promise<Client> {
    const node = `client-${name}` as NodeId;
    const known = this.clients.get(node);
    if (known !== undefined) return known;
    const client = this.cluster.addClient(node);
    this.clients.set(node, client);
    return client;
  }

  #failed(node: NodeId, error: unknown): void {
    if (this.stopped.has(node)) return;
    const { code, message } = errorToData(error);
    this.stopped.set(node, code);
    this.say(code === 'ERR_ACTOR_FAILED' ? `${node} stops: ${message}` : `${node} stops: ${code}`);
  }
}
