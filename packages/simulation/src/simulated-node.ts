/**
 * A simulated node: a disk that outlives it, and one life after the other of clock, runtime and replica.
 *
 * Inside each life runs what runs in production: the node's runtime, the replica's actor, the log and its
 * recovery. Only the clock, the links and the disk below the disk port are simulated.
 */

import {
  type OpenedReplica,
  type OpenReplicaOptions,
  openReplica,
  replicaActorName,
} from '@quorate/consensus';
import { type ActorContext, defineActor, type NodeId, NodeRuntime, type Random } from '@quorate/core';
import { type CrashReport, type DiskOperation, MemoryFileSystem } from '@quorate/storage';
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
  readonly replica: Omit<OpenReplicaOptions, 'fileSystem' | 'directory'>;
  /** The replica could not be opened, or stopped for good: in a simulation without broken disks, a finding. */
  readonly failed: (node: NodeId, why: string) => void;
}

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
  readonly #disk: MemoryFileSystem;
  #clock: NodeClock;
  #runtime: NodeRuntime | undefined;
  #opened: OpenedReplica | undefined;
  #lives = 0;
  #atNextWrite: (() => void) | undefined;
  /** Something ran on this node since a checker last looked. */
  isTouched = false;

  constructor(options: SimulatedNodeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = new NodeClock(options.time, options.wallSkewMs);
    this.#disk = new MemoryFileSystem({ settle: (operation) => this.#settle(operation) });
  }

  /** Which life this is: 1 for the first. */
  get life(): number {
    return this.#lives;
  }

  get runtime(): NodeRuntime | undefined {
    return this.#runtime;
  }

  /** Undefined while the node is down or still recovering. */
  get opened(): OpenedReplica | undefined {
    return this.#opened;
  }

  get isPaused(): boolean {
    return this.#clock.isPaused;
  }

  start(): NodeRuntime {
    const { time, random, wallSkewMs, trace, replica, failed } = this.#options;
    this.#lives += 1;
    const life = this.#lives;
    this.#clock = new NodeClock(time, wallSkewMs);
    const runtime = new NodeRuntime({
      node: this.name,
      clock: this.#clock,
      random: random.fork(`life ${life}`),
      onActorFailed: ({ error }) => failed(this.name, error.stack ?? error.message),
    });
    this.#runtime = runtime;
    trace.add(time.nowMs, `${this.name} starts life ${life}`);
    const fileSystem = this.#disk.mount();
    const actor = defineActor<unknown, void>(async (context: ActorContext) =>
      openReplica(context, {
        ...replica,
        fileSystem,
        directory: `/${this.name}`,
        onFailure: (error) => failed(this.name, error instanceof Error ? String(error.stack) : String(error)),
        onOpened: (opened) => {
          if (this.#lives === life) this.#opened = opened;
          trace.add(time.nowMs, `${this.name} is open at ${opened.state.appliedIndex}`);
        },
      }),
    );
    runtime.spawn(replicaActorName, actor, { mailbox: { capacity: 100_000 } });
    return runtime;
  }

  /** A frame arrives. It waits while the node is paused, and is lost when the node is down. */
  deliver(from: NodeId, frame: Uint8Array): void {
    this.#clock.whenAwake(() => {
      this.isTouched = true;
      this.#runtime?.receiveFrame(from, frame);
    });
  }

  /** Ends this life. `power`: unsynced writes are lost or torn. `kill`: the system still has them. */
  end(how: 'power' | 'kill'): CrashReport | undefined {
    this.#clock.end();
    this.#runtime = undefined;
    this.#opened = undefined;
    if (how === 'power') return this.#disk.crash(this.#options.random);
    this.#disk.detach();
    return undefined;
  }

  /** Runs `strike` in the middle of the next operation that changes the disk; undefined takes it back. */
  strikeAtNextWrite(strike: (() => void) | undefined): void {
    this.#atNextWrite = strike;
  }

  pause(): void {
    this.#clock.pause();
  }

  resume(): void {
    this.#clock.resume();
  }

  /** What the log's files look like; for messages about a failure. */
  diskPaths(): readonly string[] {
    return this.#disk.paths();
  }

  #settle(operation: DiskOperation): Promise<void> {
    const { time, trace, random } = this.#options;
    const clock = this.#clock;
    const latencyMs = this.#latencyMs(operation, random);
    const strike = this.#atNextWrite;
    if (strike !== undefined && changesDisk.has(operation.kind)) {
      this.#atNextWrite = undefined;
      time.after(latencyMs * random.next(), strike);
    }
    return new Promise((resolve) => {
      time.after(latencyMs, () =>
        clock.whenAwake(() => {
          trace.add(time.nowMs, `${this.name} disk ${operation.kind} ${operation.path} ${operation.bytes}`);
          this.isTouched = true;
          resolve();
        }),
      );
    });
  }

  #latencyMs({ kind }: DiskOperation, random: Random): number {
    const { writeMs, datasyncMs, slowRate } = this.#options.latency;
    const [min, max] = kind === 'datasync' || kind === 'sync-directory' ? datasyncMs : writeMs;
    const drawnMs = min + (max - min) * random.next();
    return random.chance(slowRate) ? 10 * drawnMs : drawnMs;
  }
}
