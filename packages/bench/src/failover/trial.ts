/**
 * One trial: a whole cluster loses its leader at a random moment, and the time until it serves again is taken.
 *
 * What counts as served: a write acknowledged after another node has told that it leads. Replies of the old
 * leader that were under way at the strike still arrive, and would make every failover look instant; they come
 * before that news, because a leader tells that it leads before it has committed anything, and the old one
 * is dead, still, cut off or deposed by then. What a follower says of a new leader does not count: it speaks of
 * the one that it voted for.
 */
import type { ClusterStatus } from '@quorate/consensus';
import { type Clock, CodedError, type Random } from '@quorate/core';
import type { Stage } from '../outage/audited-load.ts';
import { awaitWhole, leaderInPlace } from '../outage/wholeness.ts';
import type { FailoverKind } from './kind.ts';
import type { FailoverTrial } from './result.ts';
import { watchSuccession } from './succession.ts';

/** A cluster that takes longer to be calm, to serve, or to be whole again, has failed the trial. */
const trialMsMax = 20_000;
/** The gap is watched for so long after the first new acknowledgement: what was held back comes in a burst. */
const aftermathMs = 50;

/**
 * @param options.calmMs so long, and a share of a heartbeat that is drawn, passes under one leader before it is
 * struck: the strike meets every phase of the heartbeat alike
 * @throws CodedError `ERR_NO_QUORUM` when the cluster does not serve or become whole in time; whatever keeps
 * the strike from being carried out
 */
export async function runTrial(
  { cluster, acks, clock }: Stage,
  kind: FailoverKind,
  options: { readonly calmMs: number; readonly heartbeatMs: number; readonly random: Random },
): Promise<FailoverTrial> {
  const { random } = options;
  const { before, calmGapMs } = await awaitCalm({ cluster, acks, clock }, options);
  const { leader } = before;
  const followers = Object.keys(cluster.status().nodes).filter((node) => node !== leader);

  const strikeMs = clock.nowMs();
  const succession = watchSuccession(cluster, before, () => clock.nowMs() - strikeMs);
  acks.openWindow();
  try {
    const striking = kind.strike({
      faults: cluster.faults,
      transferLeadership: (to) => cluster.transferLeadership(to),
      leader,
      followers,
      isDurable: true,
      random,
    });
    const firstAck = acks.nextAck(() => isSucceeded(cluster.status(), before));
    const served = Promise.race([firstAck, failureOf(striking)]);
    const firstAckMs = await within(trialMsMax, served, clock, `no new leader acknowledged anything`);
    const { target, mend } = await striking;
    await pause(clock, aftermathMs);
    const longestGapMs = acks.closeWindow(clock.nowMs());
    await mend?.();
    const after = await awaitWhole(cluster, { clock, withinMs: trialMsMax });
    return {
      target,
      nodeDownAfterMs: succession.nodeDownAfterMs(),
      leadersAfterMs: succession.leadersAfterMs,
      firstAckAfterMs: firstAckMs - strikeMs,
      longestGapMs,
      calmGapMs,
      termsPassed: after.term - before.term,
      wholeAfterMs: clock.nowMs() - strikeMs,
    };
  } finally {
    succession.stop();
  }
}

/**
 * Lets the cluster be for a while, and again if its leader changes meanwhile. Of the nodes' own news nothing is
 * awaited at the end: they come with their heartbeats, and the strike would keep time with them.
 */
async function awaitCalm(
  { cluster, acks, clock }: Stage,
  options: { readonly calmMs: number; readonly heartbeatMs: number; readonly random: Random },
): Promise<{
  readonly before: { readonly leader: string; readonly term: number };
  readonly calmGapMs: number;
}> {
  const { calmMs, heartbeatMs, random } = options;
  const untilMs = clock.nowMs() + trialMsMax;
  while (clock.nowMs() < untilMs) {
    const before =
      leaderInPlace(cluster.status()) ?? (await awaitWhole(cluster, { clock, withinMs: trialMsMax }));
    acks.openWindow();
    await pause(clock, calmMs + random.next() * heartbeatMs);
    const calmGapMs = acks.closeWindow(clock.nowMs());
    const now = leaderInPlace(cluster.status());
    if (now?.leader === before.leader && now.term === before.term) return { before, calmGapMs };
  }
  throw new CodedError('ERR_NO_QUORUM', `no leader stayed for ${calmMs} ms within ${trialMsMax} ms`, {
    calmMs,
  });
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}

/** Whether another node says of itself that it leads, later than the old leader did. */
function isSucceeded(
  { leader, nodes }: ClusterStatus,
  old: { readonly leader: string; readonly term: number },
): boolean {
  const leads = leader === undefined || leader === old.leader ? undefined : nodes[leader];
  return leads?.role === 'leader' && leads.term > old.term;
}

/** Rejects if the work does, and otherwise never settles. */
function failureOf(work: Promise<unknown>): Promise<never> {
  return work.then(() => new Promise<never>(() => undefined));
}

async function within<T>(ms: number, work: Promise<T>, clock: Clock, complaint: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () =>
      reject(new CodedError('ERR_NO_QUORUM', `${complaint} within ${ms} ms`, { ms })),
    );
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
