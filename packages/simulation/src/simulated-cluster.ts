/**
 * The simulated cluster: nodes, network and clients on one virtual time, and the faults that strike them.
 */
import {
  Client,
  type ClientOptions,
  type FirstEpoch,
  type OpenedReplica,
  type OpenNodeOptions,
  replicaActorName,
} from '@quorate/consensus';
import { defineActor, invariant, type NodeId, NodeRuntime, type Random } from '@quorate/core';
import { SimulatedNetwork, type Sorter } from './simulated-network.ts';
import { type DiskLatency, SimulatedNode, type SimulatedNodeOptions } from './simulated-node.ts';
import type { Trace } from './trace.ts';
import { NodeClock, type VirtualTime } from './virtual-time.ts';

export interface SimulatedClusterOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly trace: Trace;
  readonly members: readonly NodeId[];
  readonly latency: DiskLatency;
  readonly replica: Omit<OpenNodeOptions, 'fileSystem' | 'directory' | 'epoch' | 'clusterId'>;
  readonly algorithm: string;
  /** The group that clients talk to; default 0. */
  readonly group?: number;
  /** Whether the end of a node's thread is told to the others, as it is when they share a process. */
  readonly tellsOfExits: boolean;
  readonly failed: (node: NodeId, error: unknown) => void;
  /** As in {@link SimulatedNodeOptions}. */
  readonly machine?: SimulatedNodeOptions['machine'];
  /** How fast the clocks of a node or client run; default 1. */
  readonly clockRateOf?: (node: NodeId) => number;
  /** Limits of the clients' sessions, where not the default. */
  readonly clientLimits?: ClientOptions['limits'];
  /** Looks at every frame on its way; by default all are passed on at once. */
  readonly sorter?: Sorter;
}

/** How many faults of each kind were injected. */
export interface FaultCounts {
  crashes: number;
  kills: number;
  restarts: number;
  pauses: number;
  /** Timers that rang while their thread was paused. */
  staleTimers: number;
  writesLost: number;
  writesTorn: number;
}

interface ClientNode {
  readonly runtime: NodeRuntime;
  readonly clock: NodeClock;
  readonly client: Client;
  /** Which life of a client of this name it is: 1 for the first. */
  readonly life: number;
}

export class SimulatedCluster {
  readonly network: SimulatedNetwork;
  readonly counts: FaultCounts = {
    crashes: 0,
    kills: 0,
    restarts: 0,
    pauses: 0,
    staleTimers: 0,
    writesLost: 0,
    writesTorn: 0,
  };
  readonly #options: SimulatedClusterOptions;
  readonly #nodes = new Map<NodeId, SimulatedNode>();
  readonly #clients = new Map<NodeId, ClientNode>();

  constructor(options: SimulatedClusterOptions) {
    const { time, random, trace, members } = options;
    this.#options = options;
    this.network = new SimulatedNetwork({
      time,
      trace,
      random: random.fork('network'),
      deliver: (to, from, frame) => this.#deliver(to, from, frame),
      isMember: (node) => this.#nodes.has(node),
      sorter: options.sorter,
    });
    for (const name of members) this.#nodes.set(name, this.#makeNode(name));
  }

  #makeNode(name: NodeId): SimulatedNode {
    const { time, random, trace, latency, replica, failed, machine, clockRateOf } = this.#options;
    const { algorithm, members, group = 0 } = this.#options;
    const epoch = { number: 1, algorithm, acceptQuorum: undefined, members };
    const skews = random.fork(`skew ${name}`);
    return new SimulatedNode({
      name,
      time,
      trace,
      random: random.fork(`node ${name}`),
      latency,
      wallSkewMs: skews.next() * 2_000 - 1_000,
      clockRate: clockRateOf?.(name) ?? 1,
      machine,
      replica: { ...replica, epoch, clusterId: 'simulated' },
      group,
      // A question that came before there was a replica is lost.
      opened: (node) => {
        for (const { client } of this.#clients.values()) client.watch(node);
      },
      failed,
    });
  }

  /** Every node that runs or could be started, with a voice or without. */
  get members(): readonly NodeId[] {
    return [...this.#nodes.keys()];
  }

  /**
   * Starts a node that has no voice in the present epoch, and learns until a later one names it: one that is new,
   * or a member that is down and has lost its disk.
   */
  admit(name: NodeId, epoch: FirstEpoch): void {
    const node = this.#nodes.get(name) ?? this.#makeNode(name);
    this.#nodes.set(name, node);
    node.joins(epoch);
    this.start(name);
  }

  /** Stops a node that is a member no more, for good. */
  dismiss(name: NodeId): void {
    if (this.node(name).runtime !== undefined) this.kill(name);
    this.#nodes.delete(name);
    for (const { client } of this.#clients.values()) client.nodeRemoved(name);
  }

  get nodes(): readonly SimulatedNode[] {
    return [...this.#nodes.values()];
  }

  node(name: NodeId): SimulatedNode {
    const node = this.#nodes.get(name);
    invariant(node !== undefined, `${name} is a member`);
    return node;
  }

  /** Starts the node's next life, with links to everyone who lives. */
  start(name: NodeId): void {
    const node = this.node(name);
    invariant(node.runtime === undefined, `${name} is down`);
    const runtime = node.start();
    if (node.life > 1) this.counts.restarts += 1;
    for (const other of this.#nodes.values()) {
      if (other === node || other.runtime === undefined) continue;
      runtime.attachLink(other.name, this.network.connect(name, other.name), other.life);
      other.runtime.attachLink(name, this.network.connect(other.name, name), node.life);
    }
    for (const [clientName, { client }] of this.#clients) {
      this.#connect(clientName, node);
      client.nodeUp(name);
    }
  }

  /**
   * The power of the node fails: what was not synced may be lost, and it stays down until it is started.
   * @param fate as for {@link SimulatedNode.end}
   */
  crash(name: NodeId, fate?: Random): void {
    this.counts.crashes += 1;
    this.#options.trace.add(this.#options.time.nowMs, `${name} crashes`);
    const report = this.node(name).end('power', fate);
    this.counts.writesLost += report?.writesDropped ?? 0;
    this.counts.writesTorn += report?.writesTorn ?? 0;
    this.#tellOfExit(name);
  }

  /**
   * The power of the node fails in the middle of an operation that changes its disk.
   * @param which as for {@link SimulatedNode.strikeAtWrite}
   */
  crashAtWrite(name: NodeId, which = 1): void {
    const node = this.node(name);
    node.strikeAtWrite(() => {
      if (node.runtime !== undefined) this.crash(name);
    }, which);
  }

  /** Brings a node back that is down, and takes back a crash that has not happened. */
  revive(name: NodeId): void {
    const node = this.node(name);
    node.strikeAtWrite(undefined);
    if (node.runtime === undefined) this.start(name);
  }

  /** The node's thread ends; its writes stay with the system. */
  kill(name: NodeId): void {
    this.counts.kills += 1;
    this.#options.trace.add(this.#options.time.nowMs, `${name} is killed`);
    this.node(name).end('kill');
    this.#tellOfExit(name);
  }

  pause(name: NodeId): void {
    this.counts.pauses += 1;
    this.#options.trace.add(this.#options.time.nowMs, `${name} pauses`);
    this.node(name).pause();
  }

  resume(name: NodeId, timersFirst = false): void {
    this.#options.trace.add(this.#options.time.nowMs, `${name} resumes`);
    this.counts.staleTimers += this.node(name).resume(timersFirst);
  }

  /** Cuts all links between members of different groups. Clients go on reaching everyone. */
  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#options.trace.add(
      this.#options.time.nowMs,
      `partition ${groups.map((group) => group.join('')).join('|')}`,
    );
    for (const from of this.members) {
      for (const to of this.members) {
        const together = groups.some((group) => group.includes(from) && group.includes(to));
        if (from !== to) this.network.setCut(from, to, !together);
      }
    }
  }

  healNetwork(): void {
    this.#options.trace.add(this.#options.time.nowMs, 'the network heals');
    this.network.restoreAll();
  }

  /** The replica that leads under the highest reign of the newest epoch that is led, as it believes itself. */
  leader(): NodeId | undefined {
    let best: { name: NodeId; epoch: number; reign: number } | undefined;
    for (const { name, opened } of this.#nodes.values()) {
      const status = statusOf(opened);
      if (status?.role !== 'leader') continue;
      const { epoch, reign } = status;
      const isNewer =
        best === undefined || epoch > best.epoch || (epoch === best.epoch && reign > best.reign);
      if (isNewer) best = { name, epoch, reign };
    }
    return best?.name;
  }

  /**
   * Adds a client on a node of its own, linked to all members. One of the same name that lives ends with that,
   * as a process that is killed: what it has sent may still arrive, what it is answered does not.
   * @param group whom it talks to
   */
  addClient(name: NodeId, group: number = this.#options.group ?? 0): Promise<Client> {
    const { time, random, clientLimits } = this.#options;
    const former = this.#clients.get(name);
    former?.clock.end();
    const life = (former?.life ?? 0) + 1;
    const clock = new NodeClock(time, { rate: this.#options.clockRateOf?.(name) ?? 1 });
    const own = random.fork(life === 1 ? `client ${name}` : `client ${name} ${life}`);
    const runtime = new NodeRuntime({ node: name, clock, random: own });
    const [min, max] = this.#options.replica.tuning.electionTimeoutMs;
    return new Promise((resolve) => {
      const definition = defineActor<unknown, void>((context) => {
        const client = new Client(context, {
          nodes: this.members,
          replica: (from, node) => from.actor(`${node}/${replicaActorName(group)}`),
          nonce: () => `${name} ${own.next()} ${own.next()}`,
          patienceMs: 2 * max,
          backOffMs: min / 6,
          ...(clientLimits === undefined ? {} : { limits: clientLimits }),
        });
        this.#clients.set(name, { runtime, clock, client, life });
        for (const node of this.#nodes.values()) this.#connect(name, node);
        for (const member of this.members) client.watch(member);
        resolve(client);
        return client.behavior();
      });
      runtime.spawn('client', definition, { mailbox: { capacity: 100_000 } });
    });
  }

  /** Joins the present life of a client to the present life of a node. */
  #connect(name: NodeId, node: SimulatedNode): void {
    const { life, runtime } = node;
    const client = this.#clients.get(name);
    if (runtime === undefined || client === undefined) return;
    const isUp = (): boolean => node.life === life && node.runtime !== undefined;
    const isWhole = (): boolean => isUp() && this.#clients.get(name) === client;
    runtime.attachLink(name, this.network.connect(node.name, name, isWhole), client.life);
    client.runtime.attachLink(node.name, this.network.connect(name, node.name, isUp), life);
  }

  #deliver(to: NodeId, from: NodeId, frame: Uint8Array): void {
    const node = this.#nodes.get(to);
    if (node !== undefined) node.deliver(from, frame);
    else this.#toClient(to, from, frame);
  }

  #toClient(to: NodeId, from: NodeId, frame: Uint8Array): void {
    const client = this.#clients.get(to);
    client?.clock.whenAwake(() => client.runtime.receiveFrame(from, frame));
  }

  #tellOfExit(name: NodeId): void {
    if (!this.#options.tellsOfExits) return;
    for (const other of this.#nodes.values()) other.runtime?.peerEnded(name, 'its thread has ended');
    for (const { runtime, client } of this.#clients.values()) {
      runtime.peerEnded(name, 'its thread has ended');
      client.nodeDown(name);
    }
  }
}

function statusOf(
  opened: OpenedReplica | undefined,
): ReturnType<OpenedReplica['replica']['status']> | undefined {
  return opened?.replica.status();
}
