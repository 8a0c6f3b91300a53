/** The context of one life of an actor: what its factory is given, and what is taken back at its end. */

import type { Cell, Letter } from './actor-cell.ts';
import type { ActorRef } from './actor-ref.ts';
import { type Address, parseAddress } from './address.ts';
import type { ActorContext, ActorDefinition, ActorTimers, SpawnOptions } from './behavior.ts';
import type { NodeId } from './brand.ts';
import { type Clock, delayMsMax, type Timer } from './clock.ts';
import { optionInvalid } from './coded-error.ts';
import type { Party } from './death-watch.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/** What a context needs of its node. */
export interface ActorContextHost {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  refFrom(sender: string, node: NodeId, name: string): ActorRef;
  spawnUnder(
    parent: Cell | undefined,
    name: string,
    definition: ActorDefinition,
    options: SpawnOptions,
  ): Cell;
  watch(watcher: string, target: Party): void;
  unwatch(watcher: string, target: Party): void;
  incarnationOf(peer: NodeId): number | undefined;
}

/** What belongs to one life. */
export interface LifeResources {
  readonly context: ActorContext;
  /** The message that `receive` is handling, until it is stashed. */
  current: Letter | undefined;
  readonly stashed: Letter[];
  /** What this life watches and has not been told of the end of. */
  readonly watched: Map<Address, Party>;
  /** Cancels timers and watches. */
  release(): void;
}

export function contextFor(cell: Cell, host: ActorContextHost): LifeResources {
  const timers = new LifeTimers(cell, host.clock);
  const watched = new Map<Address, Party>();
  const ref = (address: Address): ActorRef<never, never> => {
    const { node, name } = parseAddress(address);
    return host.refFrom(cell.name, node, name) as ActorRef<never, never>;
  };
  const context: ActorContext = {
    self: host.refFrom(cell.name, host.node, cell.name),
    node: host.node,
    argument: cell.options.argument,
    mailboxDepth: () => cell.mailbox.depth,
    spawn(name, definition, options = {}) {
      const child = host.spawnUnder(cell, name, definition as ActorDefinition, options);
      return host.refFrom(cell.name, host.node, child.name) as ActorRef<never, never>;
    },
    watch({ address }) {
      const target = parseAddress(address);
      watched.set(address, target);
      host.watch(cell.name, target);
    },
    unwatch({ address }) {
      watched.delete(address);
      host.unwatch(cell.name, parseAddress(address));
    },
    incarnationOf: (peer) => host.incarnationOf(peer),
    timers,
    log: host.log,
    clock: host.clock,
    random: host.random.fork(cell.name),
    stash: () => cell.stash(),
    unstashAll: () => cell.unstashAll(),
    stop: () => cell.stopSoon(),
    actor: ref,
  };
  return {
    context,
    current: undefined,
    stashed: [],
    watched,
    release() {
      timers.cancelAll();
      for (const target of watched.values()) host.unwatch(cell.name, target);
    },
  };
}

class LifeTimers implements ActorTimers {
  readonly #cell: Cell;
  readonly #clock: Clock;
  readonly #running = new Set<Timer>();

  constructor(cell: Cell, clock: Clock) {
    this.#cell = cell;
    this.#clock = clock;
  }

  after(delayMs: number, run: () => void): Timer {
    if (!(delayMs >= 0 && delayMs <= delayMsMax)) {
      throw optionInvalid('delayMs', delayMs, `milliseconds from 0 to ${delayMsMax}`);
    }
    let isCancelled = false;
    const inner = this.#clock.after(delayMs, () => {
      this.#running.delete(timer);
      // It may wait for its turn after it fired; cancelled meanwhile, it must not run.
      this.#cell.perform(() => {
        if (!isCancelled) run();
      });
    });
    const timer = {
      cancel: () => {
        isCancelled = true;
        this.#running.delete(timer);
        inner.cancel();
      },
    };
    this.#running.add(timer);
    return timer;
  }

  every(periodMs: number, run: () => void): Timer {
    if (!(periodMs > 0 && periodMs <= delayMsMax)) {
      throw optionInvalid('periodMs', periodMs, `milliseconds > 0, at most ${delayMsMax}`);
    }
    let next: Timer;
    const arm = (): void => {
      next = this.after(periodMs, () => {
        arm();
        run();
      });
    };
    arm();
    return { cancel: () => next.cancel() };
  }

  cancelAll(): void {
    for (const timer of [...this.#running]) timer.cancel();
  }
}
