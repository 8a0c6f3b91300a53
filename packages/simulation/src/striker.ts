/**
 * The striker carries a fault plan out: several strikes at once, each mended without undoing the others.
 *
 * A strike says what it wants of nodes, links, disks and weather as layers; a node is down, a link is cut, as
 * long as any strike wants it so. What is drawn when a strike happens comes from the strike's own seed, so
 * leaving another strike out of the plan leaves this one as it is.
 */
import { assertNever, hasCode, type NodeId, type Random, seededRandom } from '@quorate/core';
import type { DiskConditions } from '@quorate/storage';
import { type Strike, type StrikeKind, strikeKinds } from './fault-plan.ts';
import { Layers } from './layers.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Weather } from './simulated-network.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How many strikes of each kind were carried out. */
export type StrikeCounts = Record<StrikeKind, number>;

export interface StrikerPorts {
  readonly cluster: SimulatedCluster;
  readonly time: VirtualTime;
  readonly clients: readonly NodeId[];
  /** The weather while no storm blows. */
  readonly weather: Weather;
  readonly restartClient: (client: NodeId) => void;
}

type Mend = () => void;

/** A strike as it happens. */
interface Blow {
  readonly on: NodeId;
  readonly forMs: number;
  readonly random: Random;
}

/** A new leader is struck after so many milliseconds, most often soon: it has just begun to write and to send. */
const huntDelayMs = { min: 1, max: 64 } as const;

const huntPauseMs = 100;

const huntedBy: readonly StrikeKind[] = [
  'isolate',
  'mute',
  'deafen',
  'crash',
  'kill',
  'pause',
  'cut-links',
  'cut-links',
  'cut-links',
];

export class Striker {
  readonly counts: StrikeCounts = Object.fromEntries(strikeKinds.map((kind) => [kind, 0])) as StrikeCounts;
  readonly #ports: StrikerPorts;
  readonly #down: Layers<NodeId, true>;
  readonly #paused: Layers<NodeId, true>;
  readonly #cuts: Layers<string, true>;
  readonly #weather: Layers<'everywhere', Weather>;
  readonly #linkWeather: Layers<string, Weather>;
  readonly #disks: Layers<NodeId, DiskConditions>;
  readonly #hunts = new Set<Random>();
  readonly #open = new Set<Mend>();
  readonly #failingDisks = new Set<NodeId>();
  /** Lives in which a disk has failed: the log may notice when it gets to what failed in the background. */
  readonly #spoiltLives = new Set<string>();
  /** Whether the next node that resumes sees to its timers before its messages. */
  #timersFirst = false;
  #isOver = false;

  constructor(ports: StrikerPorts) {
    const { cluster, weather } = ports;
    const { network } = cluster;
    this.#ports = ports;
    this.#down = new Layers((name, layers) => {
      if (layers.length === 0) cluster.revive(name);
    });
    this.#paused = new Layers((name, layers) => {
      const { isPaused, runtime } = cluster.node(name);
      if (layers.length > 0 && !isPaused && runtime !== undefined) cluster.pause(name);
      if (layers.length === 0 && isPaused) cluster.resume(name, this.#timersFirst);
    });
    this.#cuts = new Layers((link, layers) => network.setCut(...endsOf(link), layers.length > 0));
    this.#weather = new Layers((_, layers) => network.setWeather(layers.at(-1) ?? weather));
    this.#linkWeather = new Layers((link, layers) => network.setLinkWeather(...endsOf(link), layers.at(-1)));
    this.#disks = new Layers((name, layers) => {
      const conditions: DiskConditions = Object.assign({}, ...layers);
      if (conditions.fail !== undefined) this.#failingDisks.add(name);
      else if (this.#failingDisks.delete(name)) this.#spoiltLives.add(lifeOf(cluster.node(name)));
      cluster.node(name).setDiskConditions(conditions);
    });
  }

  /** Strikes, and mends it after its time. */
  strike({ kind, target, forMs, seed }: Strike): void {
    const { cluster } = this.#ports;
    const member = this.#memberAt(target === 'leader' ? 0 : target);
    const on = target === 'leader' ? (cluster.leader() ?? member) : member;
    this.#carryOut(kind, { on, forMs, random: seededRandom(seed) });
  }

  /** A node has just begun to lead. */
  leaderSeen(leader: NodeId): void {
    for (const random of this.#hunts) this.#huntOn(random, leader);
  }

  #huntOn(hunt: Random, leader: NodeId): void {
    if (!this.#hunts.has(hunt)) return;
    const { time, cluster } = this.#ports;
    const kind = huntedBy[hunt.below(huntedBy.length)] as StrikeKind;
    const blow = { on: leader, forMs: 60 + hunt.next() * 600, random: hunt.fork(`${hunt.next()}`) };
    const delayMs = huntDelayMs.min * (huntDelayMs.max / huntDelayMs.min) ** hunt.next();
    time.after(delayMs, () => {
      if (this.#hunts.has(hunt)) this.#carryOut(kind, blow);
    });
    // Whoever leads on after that is struck again.
    time.after(delayMs + blow.forMs + huntPauseMs, () => {
      if (cluster.leader() === leader) this.#huntOn(hunt, leader);
    });
  }

  /**
   * Whether the replica of a node may have stopped because of its disk. Then it is to be started anew, as often
   * as it takes, like by a supervisor.
   */
  explains(node: NodeId, error: unknown): boolean {
    const { cluster, time } = this.#ports;
    const { life } = cluster.node(node);
    const hasFailed = this.#failingDisks.has(node) || this.#spoiltLives.has(lifeOf(cluster.node(node)));
    const isOfDisk = hasCode(error, 'ERR_DISK_FAILED') || hasCode(error, 'ERR_DISK_FULL');
    if (!isOfDisk || !hasFailed) return false;
    time.after(50, () => {
      if (cluster.node(node).life !== life || cluster.node(node).runtime === undefined) return;
      cluster.kill(node);
      if (!this.#down.isOn(node)) cluster.start(node);
    });
    return true;
  }

  /** Mends everything that is struck now, and strikes no more. */
  mendAll(): void {
    this.#isOver = true;
    this.#hunts.clear();
    for (const mend of [...this.#open]) mend();
  }

  #carryOut(kind: StrikeKind, blow: Blow): void {
    if (this.#isOver) return;
    this.counts[kind] += 1;
    const mends = this.#hit(kind, blow);
    const mend = (): void => {
      this.#open.delete(mend);
      for (const one of mends) one();
    };
    this.#open.add(mend);
    this.#ports.time.after(blow.forMs, mend);
  }

  /** @returns what mends it */
  #hit(kind: StrikeKind, blow: Blow): readonly Mend[] {
    const { on, random } = blow;
    const { cluster } = this.#ports;
    const { members } = cluster;
    const others = members.filter((name) => name !== on);
    switch (kind) {
      case 'crash':
        return [this.#bringDown(on, () => cluster.crash(on))];
      case 'crash-all':
        return members.map((name) => this.#bringDown(name, () => cluster.crash(name)));
      case 'crash-mid-write':
        return [this.#bringDown(on, () => cluster.crashAtWrite(on))];
      case 'kill':
        return [this.#bringDown(on, () => cluster.kill(on))];
      case 'pause':
        return [this.#pause(on, random.chance(0.5))];
      case 'isolate':
        return this.#cut([on], others, 'both');
      case 'deafen':
        return this.#cut(others, [on], 'one');
      case 'mute':
        return this.#cut([on], others, 'one');
      case 'partition':
        return this.#partition(random);
      case 'cut-links':
        return this.#cutLinks(blow, others);
      case 'cut-client':
        return this.#cutClient(random);
      case 'storm':
        return [this.#weather.add('everywhere', drawStorm(random))];
      case 'slow-mesh':
        return [this.#weather.add('everywhere', { ...this.#ports.weather, ...drawSlowness(random) })];
      case 'slow-links':
        return this.#slowLinks(blow, others);
      case 'hunt-leaders':
        return [this.#hunt(random)];
      case 'hang-disk':
        return [this.#disks.add(on, { hang: random.chance(0.5) ? true : ['datasync'] })];
      case 'slow-disk':
        return [this.#disks.add(on, { delayMs: 5 + random.next() * 120 })];
      case 'fail-disk':
        return [
          this.#disks.add(on, { fail: { errno: 'EIO', times: 1, rate: random.chance(0.5) ? 1 : 0.2 } }),
        ];
      case 'fill-disk':
        return [this.#disks.add(on, { fail: { errno: 'ENOSPC', rate: random.chance(0.7) ? 1 : 0.3 } })];
      case 'jump-clock':
        cluster.node(on).jumpWallClock((random.chance(0.5) ? 1 : -1) * 10 * 2 ** (random.next() * 20));
        return [];
      case 'restart-client':
        this.#ports.restartClient(this.#ports.clients[random.below(this.#ports.clients.length)] as NodeId);
        return [];
      default:
        return assertNever(kind, 'strike');
    }
  }

  #bringDown(name: NodeId, act: () => void): Mend {
    const isUp = this.#ports.cluster.node(name).runtime !== undefined;
    const mend = this.#down.add(name, true);
    if (isUp) act();
    return mend;
  }

  #pause(name: NodeId, timersFirst: boolean): Mend {
    const mend = this.#paused.add(name, true);
    return () => {
      this.#timersFirst = timersFirst;
      mend();
    };
  }

  #partition(random: Random): readonly Mend[] {
    const { members } = this.#ports.cluster;
    const sides: NodeId[][] = [[], [], []];
    const sidesMax = random.chance(0.8) ? 2 : 3;
    for (const name of members) sides[random.below(sidesMax)]?.push(name);
    return sides.flatMap((side, at) =>
      sides.slice(at + 1).flatMap((other) => this.#cut(side, other, 'both')),
    );
  }

  /** Some links of one node, or some anywhere in the mesh; never all. */
  #cutLinks({ on, random }: Blow, others: readonly NodeId[]): readonly Mend[] {
    const how = random.chance(0.6) ? 'both' : 'one';
    if (random.chance(0.5)) {
      const spared = random.below(Math.max(1, others.length));
      return this.#cut(
        [on],
        others.filter((_, at) => at !== spared),
        how,
      );
    }
    const { members } = this.#ports.cluster;
    return members.flatMap((one, at) =>
      members.slice(at + 1).flatMap((other) => (random.chance(0.35) ? this.#cut([one], [other], how) : [])),
    );
  }

  #cutClient(random: Random): readonly Mend[] {
    const { clients, cluster } = this.#ports;
    const client = clients[random.below(clients.length)] as NodeId;
    const unreachable = random.chance(0.5)
      ? cluster.members.filter(() => random.chance(0.6))
      : [cluster.leader() ?? this.#memberAt(random.next())];
    const direction = random.below(3);
    if (direction === 0) return this.#cut([client], unreachable, 'both');
    return direction === 1
      ? this.#cut([client], unreachable, 'one')
      : this.#cut(unreachable, [client], 'one');
  }

  #slowLinks({ on, random }: Blow, others: readonly NodeId[]): readonly Mend[] {
    const weather = {
      ...this.#ports.weather,
      reorderRate: random.next() * 0.6,
      delayMs: [1, 20 * 2 ** (random.next() * 5)] as const,
    };
    const direction = random.below(3);
    return others.flatMap((other) => [
      ...(direction === 1 ? [] : [this.#linkWeather.add(linkOf(on, other), weather)]),
      ...(direction === 2 ? [] : [this.#linkWeather.add(linkOf(other, on), weather)]),
    ]);
  }

  #hunt(random: Random): Mend {
    this.#hunts.add(random);
    const leader = this.#ports.cluster.leader();
    if (leader !== undefined) this.leaderSeen(leader);
    return () => this.#hunts.delete(random);
  }

  #cut(from: readonly NodeId[], to: readonly NodeId[], how: 'one' | 'both'): readonly Mend[] {
    return from.flatMap((one) =>
      to.flatMap((other) => [
        this.#cuts.add(linkOf(one, other), true),
        ...(how === 'both' ? [this.#cuts.add(linkOf(other, one), true)] : []),
      ]),
    );
  }

  #memberAt(part: number): NodeId {
    const { members } = this.#ports.cluster;
    return members[Math.floor(part * members.length)] as NodeId;
  }
}

function drawStorm(random: Random): Weather {
  return {
    dropRate: random.chance(0.3) ? 0 : random.next() * 0.5,
    duplicateRate: random.next() * 0.4,
    reorderRate: random.next() * 0.5,
    delayMs: [0.1, 0.5 * 2 ** (random.next() * 6)],
  };
}

function drawSlowness(random: Random): Weather {
  return { reorderRate: random.chance(0.5) ? 0.5 : 0, delayMs: [0.1, 100 + random.next() * 500] };
}

function lifeOf({ name, life }: { readonly name: NodeId; readonly life: number }): string {
  return `${name} ${life}`;
}

function linkOf(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}

function endsOf(link: string): [from: NodeId, to: NodeId] {
  return link.split('>') as [NodeId, NodeId];
}
