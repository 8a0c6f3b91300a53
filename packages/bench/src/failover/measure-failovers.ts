/**
 * All the trials of a bench of failovers: each algorithm under each kind of strike, in rounds, each round on a
 * fresh cluster whose every write is accounted for in the end.
 */
import { CodedError, seededRandom } from '@quorate/core';
import { accountOf } from '../outage/account.ts';
import { type AccountedLoad, type Stage, underAuditedLoad } from '../outage/audited-load.ts';
import { summaryOf } from '../outage/summary.ts';
import type { FailoverKind } from './kind.ts';
import type { FailoverOptions } from './options.ts';
import type { FailoverSeries, FailoverTrial } from './result.ts';
import { runTrial } from './trial.ts';

/** A history of so many trials is judged in seconds, and a directory of that age has been compacted. */
const trialsPerCluster = 100;
/** Long enough for every follower to have heard of the leader since it was last disturbed. */
const calmHeartbeats = 2;

/** @param fraction of the whole bench, 0 to 1 @param note what is being done, a few words */
type OnProgress = (fraction: number, note: string) => void;

/** @throws CodedError whatever keeps a cluster from starting */
export async function measureFailovers(
  options: FailoverOptions,
  onProgress: OnProgress = () => undefined,
): Promise<FailoverSeries[]> {
  const plans = options.algorithms.flatMap((algorithm) => options.kinds.map((kind) => ({ algorithm, kind })));
  const series: FailoverSeries[] = [];
  for (const plan of plans) {
    const { algorithm, kind } = plan;
    series.push(
      await measureSeries(options, plan, (trials) => {
        const done = (series.length + trials / options.trials) / plans.length;
        onProgress(done, `${algorithm}, ${kind.name}: ${trials} of ${options.trials}`);
      }),
    );
  }
  return series;
}

interface Plan {
  readonly algorithm: string;
  readonly kind: FailoverKind;
}

/** What a round came to, before rounds are put together. */
interface Round {
  readonly trials: readonly FailoverTrial[];
  /** Why it ended early. */
  readonly failure: string | undefined;
}

async function measureSeries(
  options: FailoverOptions,
  plan: Plan,
  onTrials: (trials: number) => void,
): Promise<FailoverSeries> {
  const random = seededRandom(options.seed).fork(`${plan.algorithm} ${plan.kind.name}`);
  const rounds: AccountedLoad<Round>[] = [];
  let done = 0;
  while (done < options.trials && rounds.at(-1)?.value.failure === undefined) {
    const doneBefore = done;
    const trials = Math.min(trialsPerCluster, options.trials - done);
    const round = await measureRound(options, plan, {
      trials,
      seed: random.below(2 ** 32),
      onTrials: (inRound) => onTrials(doneBefore + inRound),
    });
    rounds.push(round);
    done += round.value.trials.length;
  }
  return seriesOf(options, plan, rounds);
}

function measureRound(
  { electionTimeoutMs, heartbeatMs, peerDownHints, outstanding, verify }: FailoverOptions,
  { algorithm, kind }: Plan,
  round: { readonly trials: number; readonly seed: number; readonly onTrials: (trials: number) => void },
): Promise<AccountedLoad<Round>> {
  const { seed } = round;
  const random = seededRandom(seed).fork('strikes');
  const strikeAll = async (stage: Stage): Promise<Round> => {
    const trials: FailoverTrial[] = [];
    try {
      while (trials.length < round.trials) {
        round.onTrials(trials.length);
        const calmMs = calmHeartbeats * heartbeatMs;
        trials.push(await runTrial(stage, kind, { calmMs, heartbeatMs, random }));
      }
      // What is left is to judge them.
      round.onTrials(trials.length);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return {
        trials,
        failure: `trial ${trials.length + 1} of its cluster: ${error.code}: ${error.message}`,
      };
    }
    return { trials, failure: undefined };
  };
  const cluster = { algorithm, electionTimeoutMs, heartbeatMs, peerDownHints };
  return underAuditedLoad({ cluster, outstanding, seed, verify }, strikeAll);
}

function seriesOf(
  options: FailoverOptions,
  { algorithm, kind }: Plan,
  rounds: readonly AccountedLoad<Round>[],
): FailoverSeries {
  const trials = rounds.flatMap(({ value }) => value.trials);
  const failure = rounds.at(-1)?.value.failure;
  return {
    algorithm,
    kind: kind.name,
    measure: kind.measure,
    trialsWanted: options.trials,
    trials,
    outageMs: summaryOf(trials.map((trial) => outageOf(trial, kind.measure))),
    ...(failure === undefined ? {} : { failure }),
    ...accountOf(rounds, options.verify),
  };
}

/** What a trial is judged by. */
export function outageOf(trial: FailoverTrial, measure: FailoverKind['measure']): number {
  return measure === 'first-ack' ? trial.firstAckAfterMs : trial.longestGapMs;
}
