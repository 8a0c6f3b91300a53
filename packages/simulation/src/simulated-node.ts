/**
 * A simulated node: a disk that outlives it, and one life after the other of clock, runtime and replica.
 *
 * Inside each life runs what runs in production: the node's runtime, the replica's actor, the log and its
 * recovery. Only the clock, the links and the disk below the disk port are simulated.
 */

import {
  type FirstEpoch,
  nodeActorName,
  type OpenedReplica,
  type OpenNodeOptions,
  openNode,
  type StateMachineDefinition,
} from '@quorate/consensus';
import {
  type ActorContext,
  defineActor,
  errorFromData,
  invariant,
  type NodeId,
  NodeRuntime,
  type Random,
} from '@quorate/core';
import {
  type CrashReport,
  type DiskConditions,
  type DiskOperation,
  type FaultyFileSystem,
  faultyFileSystem,
  readNodeDirectory,
} from '@quorate/storage';
import { SimulatedDisk } from './simulated-disk.ts';
import type { Trace } from './trace.ts';
import { NodeClock, type VirtualTime } from './virtual-time.ts';

/** How long the disk takes, in milliseconds of virtual time. */
export interface DiskLatency {
  readonly writeMs: readonly [min: number, max: number];
  readonly datasyncMs: readonly [min: number, max: number];
  /** Share of syncs that take ten times as long. */
  readonly slowRate: number;
}

export interface SimulatedNodeOptions {
  readonly name: NodeId;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: Random;
  readonly latency: DiskLatency;
  readonly wallSkewMs: number;
  /** How fast the node's clocks run; default 1. */
  readonly clockRate?: number;
  readonly replica: Omit<OpenNodeOptions, 'fileSystem' | 'directory'>;
  /** The group that clients talk to; default 0. */
  readonly group?: number;
  /** The state machine of one life, instead of the replica's; `spend` lets its thread compute for a while. */
  readonly machine?: ((life: MachineLife) => StateMachineDefinition) | undefined;
  /** The replicas of all groups are open. */
  readonly opened: (node: NodeId) => void;
  /** The replica could not be opened, or stopped for good: in a simulation without broken disks, a finding. */
  readonly failed: (node: NodeId, error: unknown) => void;
}

export interface MachineLife {
  readonly node: NodeId;
  /** @param durationMs of virtual time */
  readonly spend: (durationMs: number) => void;
}

/** Where every node keeps its data on its own disk, so that disks can be swapped. */
export const dataDirectory = '/data';

const changesDisk: ReadonlySet<DiskOperation['kind']> = new Set([
  'write',
  'datasync',
  'truncate',
  'create',
  'rename',
  'remove',
  'sync-directory',
]);

export class SimulatedNode {
  readonly name: NodeId;
  readonly #options: SimulatedNodeOptions;
  #disk = new SimulatedDisk();
  #diskConditions: DiskConditions = {};
  /** The disk as this life sees it, with its faults. */
  #faulty: FaultyFileSystem | undefined;
  #clockRate: number;
  #wallSkewMs: number;
  #clock: NodeClock;
  #runtime: NodeRuntime | undefined;
  /** Of this life, by group. */
  readonly #opened = new Map<number, OpenedReplica>();
  #lives = 0;
  /** As the cluster's directory would note it; from the second life on the node must find this disk again. */
  #diskId: string | undefined;
  /** The epoch in which it is to learn before it has a voice; undefined for a founding member. */
  #joins: FirstEpoch | undefined;
  #atWrite: { left: number; readonly strike: () => void } | undefined;
  #diskChanges = 0;
  #atNextSync: { readonly moment: 'during' | 'after'; readonly strike: () => void } | undefined;
  /** Something ran on this node since a checker last looked. */
  isTouched = false;

  constructor(options: SimulatedNodeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#wallSkewMs = options.wallSkewMs;
    this.#clockRate = options.clockRate ?? 1;
    this.#clock = this.#newClock();
    this.insertDisk(this.#disk);
  }

  /** Which life this is: 1 for the first. */
  get life(): number {
    return this.#lives;
  }

  get runtime(): NodeRuntime | undefined {
    return this.#runtime;
  }

  /** The replica of the group that clients talk to; undefined while the node is down or still recovering. */
  get opened(): OpenedReplica | undefined {
    return this.openedOf(this.#options.group ?? 0);
  }

  openedOf(group: number): OpenedReplica | undefined {
    return this.#opened.get(group);
  }

  get isPaused(): boolean {
    return this.#clock.isPaused;
  }

  start(): NodeRuntime {
    const { time, random, trace, replica, group = 0, failed } = this.#options;
    this.#lives += 1;
    const life = this.#lives;
    const clock = this.#newClock();
    this.#clock = clock;
    // What a life that is over still says is of no interest: a hung disk may let go of it at any time.
    const stopped = (error: unknown): void => {
      if (this.#runtime === runtime) failed(this.name, error);
    };
    const machine = this.#options.machine?.({
      node: this.name,
      spend: (durationMs) => clock.spend(durationMs),
    });
    const runtime: NodeRuntime = new NodeRuntime({
      node: this.name,
      clock,
      random: random.fork(`life ${life}`),
      onActorFailed: ({ error }) => stopped(errorFromData(error)),
    });
    this.#runtime = runtime;
    trace.add(time.nowMs, `${this.name} starts life ${life}`);
    const disk = this.#disk.content;
    const fileSystem = faultyFileSystem(disk.mount(), {
      random: random.fork(`disk of life ${life}`),
      clock,
      onSyncFailed: (path) => disk.loseUnsynced(path),
    });
    fileSystem.set(this.#diskConditions);
    this.#faulty = fileSystem;
    const actor = defineActor<unknown, void>(async (context: ActorContext) =>
      openNode(context, {
        ...replica,
        ...(machine === undefined ? {} : { machine }),
        ...(this.#joins === undefined ? {} : { joins: new Map([[group, this.#joins]]) }),
        diskId: this.#diskId,
        fileSystem,
        directory: dataDirectory,
        onFailure: stopped,
        onOpened: (opened) => {
          if (this.#lives === life) this.#opened.set(opened.group, opened);
          if (opened.group !== group) return;
          this.#options.opened(this.name);
          void this.#noteDisk();
          trace.add(time.nowMs, `${this.name} is open at ${opened.state.appliedIndex}`);
        },
      }),
    );
    runtime.spawn(nodeActorName, actor, { mailbox: { capacity: 100_000 } });
    return runtime;
  }

  /** A frame arrives. It waits while the node is paused, and is lost when the node is down. */
  deliver(from: NodeId, frame: Uint8Array): void {
    this.#clock.whenAwake(() => this.#runtime?.receiveFrame(from, frame));
  }

  /**
   * Ends this life. `power`: unsynced writes are lost or torn. `kill`: the system still has them.
   * @param fate decides what of the unsynced writes survives a power failure; default: the node's own stream
   */
  end(how: 'power' | 'kill', fate: Random = this.#options.random): CrashReport | undefined {
    this.#clock.end();
    this.#runtime = undefined;
    this.#opened.clear();
    this.#faulty = undefined;
    if (how === 'power') return this.#disk.content.crash(fate);
    this.#disk.content.detach();
    return undefined;
  }

  /** Runs `strike` while the next sync of a file is under way, or just after whatever waited for it has run. */
  strikeAtNextSync(moment: 'during' | 'after', strike: () => void): void {
    this.#atNextSync = { moment, strike };
  }

  /**
   * Runs `strike` in the middle of an operation that changes the disk; undefined takes it back.
   * @param which 1 for the next such operation, 2 for the one after it
   */
  strikeAtWrite(strike: (() => void) | undefined, which = 1): void {
    this.#atWrite = strike === undefined ? undefined : { left: which, strike };
  }

  /** Operations that changed the disk so far, over all lives. */
  get diskChanges(): number {
    return this.#diskChanges;
  }

  pause(): void {
    this.#clock.pause();
  }

  /** @param timersFirst as for {@link NodeClock.resume} */
  resume(timersFirst = false): number {
    return this.#clock.resume(timersFirst);
  }

  /** What fails or hangs on the disk, from now on and over restarts; `{}` mends it. */
  setDiskConditions(conditions: DiskConditions): void {
    this.#diskConditions = conditions;
    this.#faulty?.set(conditions);
  }

  /** The disk behind everyone's back: to look at, and to damage. */
  get disk(): SimulatedDisk {
    return this.#disk;
  }

  /** From its next life on it has no voice, and learns, on whatever disk it finds, until an epoch names it. */
  joins(epoch: FirstEpoch): void {
    this.#joins = epoch;
    this.#diskId = undefined;
  }

  async #noteDisk(): Promise<void> {
    const superblock = await readNodeDirectory({
      fileSystem: this.#disk.content.mount(),
      directory: dataDirectory,
    });
    this.#diskId = superblock?.diskId;
  }

  /** Puts another disk into a node that is down: that of another node, or a blank one. */
  insertDisk(disk: SimulatedDisk): void {
    invariant(this.#runtime === undefined, 'a disk is changed while the node is down');
    disk.plugInto((operation) => this.#settle(operation));
    this.#disk = disk;
  }

  /** From now on, over restarts too, the node's clocks run at `rate`: 1.2 gains a fifth. */
  setClockRate(rate: number): void {
    this.#clockRate = rate;
    this.#clock.setRate(rate);
  }

  /** Somebody sets the node's wall clock. */
  jumpWallClock(byMs: number): void {
    this.#wallSkewMs += byMs;
    this.#clock.jumpWall(byMs);
  }

  #newClock(): NodeClock {
    return new NodeClock(this.#options.time, {
      wallSkewMs: this.#wallSkewMs,
      rate: this.#clockRate,
      ran: () => {
        this.isTouched = true;
      },
    });
  }

  #settle(operation: DiskOperation): Promise<void> {
    const { time, trace, random } = this.#options;
    const clock = this.#clock;
    const latencyMs = this.#latencyMs(operation, random);
    if (changesDisk.has(operation.kind)) this.#strikeIfDue(latencyMs);
    const atSync = operation.kind === 'datasync' ? this.#atNextSync : undefined;
    if (atSync !== undefined) this.#atNextSync = undefined;
    if (atSync?.moment === 'during') time.after(latencyMs / 2, atSync.strike);
    return new Promise((resolve) => {
      time.after(latencyMs, () =>
        clock.whenAwake(() => {
          trace.add(time.nowMs, `${this.name} disk ${operation.kind} ${operation.path} ${operation.bytes}`);
          resolve();
        }),
      );
      // An event of the same moment, asked for later: everything that the sync lets go has gone by then.
      if (atSync?.moment === 'after') time.after(latencyMs, atSync.strike);
    });
  }

  #strikeIfDue(latencyMs: number): void {
    this.#diskChanges += 1;
    const atWrite = this.#atWrite;
    if (atWrite === undefined) return;
    atWrite.left -= 1;
    if (atWrite.left > 0) return;
    this.#atWrite = undefined;
    this.#options.time.after(latencyMs * this.#options.random.next(), atWrite.strike);
  }

  #latencyMs({ kind }: DiskOperation, random: Random): number {
    const { writeMs, datasyncMs, slowRate } = this.#options.latency;
    const [min, max] = kind === 'datasync' || kind === 'sync-directory' ? datasyncMs : writeMs;
    const drawnMs = min + (max - min) * random.next();
    return random.chance(slowRate) ? 10 * drawnMs : drawnMs;
  }
}
