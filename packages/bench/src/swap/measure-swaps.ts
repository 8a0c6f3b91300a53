/**
 * Swaps of the algorithm, there and back, on a cluster that serves all the while: how long each one stalls it.
 */
import { CodedError, seededRandom } from '@quorate/core';
import { accountOf } from '../outage/account.ts';
import { type Stage, underAuditedLoad } from '../outage/audited-load.ts';
import { summaryOf } from '../outage/summary.ts';
import { awaitWhole } from '../outage/wholeness.ts';
import type { Swap, SwapConditions, SwapSeries } from './result.ts';

export interface SwapOptions
  extends Pick<SwapConditions, 'outstanding' | 'electionTimeoutMs' | 'heartbeatMs'> {
  /** The first one is where it begins. */
  readonly algorithms: readonly [string, string];
  readonly swaps: number;
  readonly seed: number;
  readonly verify: boolean;
}

/** A swap that takes longer has failed, and so has a cluster that does not become whole in this time. */
const swapMsMax = 30_000;
/** The stall is watched for so long after the new leader is known: what was held back comes in a burst. */
const aftermathMs = 50;
/** Between two swaps the load goes on undisturbed for so many heartbeats, and up to one more, drawn. */
const calmHeartbeats = 3;

/** @throws CodedError whatever keeps the cluster from starting */
export async function measureSwaps(
  options: SwapOptions,
  onProgress: (fraction: number, note: string) => void = () => undefined,
): Promise<SwapSeries> {
  const { algorithms, electionTimeoutMs, heartbeatMs, outstanding, seed, verify } = options;
  const random = seededRandom(seed).fork('swaps');
  const swaps: Swap[] = [];
  const swapAll = async (stage: Stage): Promise<string | undefined> => {
    try {
      while (swaps.length < options.swaps) {
        const to = algorithms[(swaps.length + 1) % 2] as string;
        onProgress(swaps.length / options.swaps, `to ${to}: ${swaps.length} of ${options.swaps} swaps`);
        swaps.push(await swapOnce(stage, to, (calmHeartbeats + random.next()) * heartbeatMs));
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return `swap ${swaps.length + 1}: ${error.code}: ${error.message}`;
    }
  };
  const cluster = { algorithm: algorithms[0], electionTimeoutMs, heartbeatMs };
  const load = await underAuditedLoad({ cluster, outstanding, seed, verify }, swapAll);
  const stallsTo = (algorithm: string): number[] =>
    swaps.flatMap(({ to, stallMs }) => (to === algorithm ? stallMs : []));
  return {
    swapsWanted: options.swaps,
    swaps,
    stallMs: summaryOf(swaps.map(({ stallMs }) => stallMs)),
    calmGapMs: summaryOf(swaps.map(({ calmGapMs }) => calmGapMs)),
    stallMsTo: Object.fromEntries(algorithms.map((name) => [name, summaryOf(stallsTo(name))])),
    ...(load.value === undefined ? {} : { failure: load.value }),
    ...accountOf([load], verify),
  };
}

/** @throws CodedError what the change of the epoch throws; `ERR_NO_QUORUM` when the cluster is not whole in time */
async function swapOnce({ cluster, acks, clock }: Stage, to: string, calmMs: number): Promise<Swap> {
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
  await awaitWhole(cluster, { clock, withinMs: swapMsMax });
  acks.openWindow();
  await sleep(calmMs);
  const calmGapMs = acks.closeWindow(clock.nowMs());
  const from = cluster.status().algorithm;
  const orderedMs = clock.nowMs();
  acks.openWindow();
  const epoch = await cluster.reconfigure({ algorithm: to }, { timeoutMs: swapMsMax });
  const ledAfterMs = clock.nowMs() - orderedMs;
  await acks.nextAck();
  await sleep(aftermathMs);
  const stallMs = acks.closeWindow(clock.nowMs());
  await awaitWhole(cluster, { clock, withinMs: swapMsMax });
  return { from, to, epoch, calmGapMs, stallMs, ledAfterMs, wholeAfterMs: clock.nowMs() - orderedMs };
}
