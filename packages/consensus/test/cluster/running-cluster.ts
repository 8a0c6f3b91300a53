/**
 * Clusters on real threads and real directories, for tests: started, watched, and gone when a test ends.
 *
 * Tests here wait for what they want to see, with a deadline, and never for time to pass.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Cluster,
  type ClusterOptions,
  type NodeStatus,
  type StateMachineDefinition,
} from '@quorate/consensus';
import { afterEach, onTestFinished } from 'vitest';

export const algorithms = ['raft', 'multi-paxos'] as const;

export type LedgerCommand =
  | string
  | { readonly id: string; readonly fill: Uint8Array }
  | { readonly fail: string };
export type LedgerQuery = 'all' | 'size' | { readonly id: string } | { readonly fail: string };
export interface LedgerResult {
  readonly id: string;
  readonly position: number;
}
export type Ledger = StateMachineDefinition<LedgerCommand, LedgerQuery, LedgerResult, unknown>;

export const machineUrl = (name: string): URL => new URL(`./machines/${name}.mjs`, import.meta.url);
export const ledgerUrl = machineUrl('ledger');

let running: Cluster<Ledger>[] = [];

afterEach(async () => {
  const clusters = running;
  running = [];
  await Promise.all(clusters.map((cluster) => cluster.stop()));
}, 30_000);

/** A cluster of ledgers, in memory unless the options say otherwise; stopped when the test ends. */
export async function startLedger(options: Partial<ClusterOptions> = {}): Promise<Cluster<Ledger>> {
  const cluster = await Cluster.start<Ledger>({ stateMachine: ledgerUrl, storage: 'memory', ...options });
  running.push(cluster);
  return cluster;
}

/** An empty directory, removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Resolves with the first truthy answer. @throws when there is none within `withinMs` */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  withinMs = 15_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs;
  while (true) {
    const answer = await ask();
    if (answer) return answer as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The node that leads, once one does, other than those named. */
export function leaderOf(cluster: Cluster<Ledger>, ...otherThan: string[]): Promise<string> {
  return eventually(`a leader other than ${otherThan.join(', ') || 'nobody'}`, () => {
    const { leader, nodes } = cluster.status();
    if (leader === undefined || otherThan.includes(leader)) return undefined;
    return nodes[leader]?.role === 'leader' ? leader : undefined;
  });
}

/** Resolves when what `node` tells of itself satisfies. */
export function nodeIs(
  cluster: Cluster<Ledger>,
  node: string,
  satisfies: (status: NodeStatus) => boolean,
): Promise<unknown> {
  return eventually(`${node} gets there`, () => {
    const status = cluster.status().nodes[node];
    return status !== undefined && satisfies(status);
  });
}

/** How often each id was applied, by a linearizable query. */
export async function countsOf(cluster: Cluster<Ledger>): Promise<ReadonlyMap<string, number>> {
  return new Map((await cluster.query('all', { timeoutMs: 20_000 })) as [string, number][]);
}

export type Outcome = 'acknowledged' | string;

/** Proposes each id and notes its outcome: `acknowledged`, or the code of the error. Never rejects. */
export async function outcomeOf(proposed: Promise<unknown>): Promise<Outcome> {
  try {
    await proposed;
    return 'acknowledged';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

/** Ids that no other test gives out. */
export function freshIds(count: number): string[] {
  const prefix = randomUUID().slice(0, 8);
  return Array.from({ length: count }, (_, at) => `${prefix}-${at}`);
}

/** Runs `work` for every item, with so many of them under way at once. */
export async function withOutstanding<T>(
  items: readonly T[],
  outstanding: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: Math.min(outstanding, items.length) }, lane));
}
