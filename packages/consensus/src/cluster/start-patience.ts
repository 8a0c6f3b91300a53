/**
 * The patience of a start: all nodes open their disks at once, and a disk that hangs must neither keep those from
 * serving that can, nor keep the app waiting for ever.
 */
import { CodedError, type ErrorCode, hasCode } from '@quorate/core';

/** A node on its way up. */
export interface Opening {
  readonly node: string;
  readonly opened: Promise<void>;
  /** Whether a majority of the members may count it; who only learns opens beside them. */
  readonly isMember: boolean;
}

/** How long a start waits. Milliseconds. */
export interface StartPatience {
  /** For those that are slow, once so many members have opened as are needed. */
  readonly slowMs: number;
  /** For so many members as are needed. */
  readonly limitMs: number;
}

/** What has become of a node's opening; undefined while it is under way. */
export type OpeningOutcome = PromiseSettledResult<void> | undefined;

/**
 * Waits for all of `openings`, but no longer than patience allows, and not at all once so many members have failed that
 * `needed` of them cannot be had. @returns what has become of each
 */
export function openedInTime(
  openings: readonly Opening[],
  needed: number,
  { slowMs, limitMs }: StartPatience,
): Promise<readonly OpeningOutcome[]> {
  return new Promise((resolve) => {
    const outcomes: OpeningOutcome[] = openings.map(() => undefined);
    let isOver = false;
    const end = (): void => {
      isOver = true;
      clearTimeout(limit);
      clearTimeout(slow);
      resolve(outcomes);
    };
    const limit = setTimeout(end, limitMs);
    let slow: NodeJS.Timeout | undefined;
    const note = (at: number, outcome: PromiseSettledResult<void>): void => {
      if (isOver) return;
      outcomes[at] = outcome;
      const areAll = outcomes.every((one) => one !== undefined);
      if (areAll || membersLeft(openings, outcomes) < needed) return end();
      if (membersOpened(openings, outcomes) < needed) return;
      clearTimeout(limit);
      slow ??= setTimeout(end, slowMs);
    };
    for (const [at, { opened }] of openings.entries()) {
      opened.then(
        (value) => note(at, { status: 'fulfilled', value }),
        (reason: unknown) => note(at, { status: 'rejected', reason }),
      );
    }
  });
}

/** A quorum can do without a node whose disk is broken; anything else is wrong with all of them. */
const ofOneDisk: readonly ErrorCode[] = ['ERR_LOG_CORRUPT', 'ERR_DISK_FULL', 'ERR_DISK_FAILED'];

/**
 * Whether a start succeeds: so many members have opened as are needed, and what is wrong with the others is a matter
 * of theirs alone. @throws CodedError what is wrong with those that failed; `ERR_DISK_FAILED`, which names those that
 * have not opened, when there are too few without them
 */
export function requireOpened(
  openings: readonly Opening[],
  outcomes: readonly OpeningOutcome[],
  { needed, limitMs }: { readonly needed: number; readonly limitMs: number },
): void {
  const reasons = outcomes.flatMap((outcome) => (outcome?.status === 'rejected' ? [outcome.reason] : []));
  const ofAll = reasons.find((reason) => !ofOneDisk.some((code) => hasCode(reason, code)));
  if (ofAll !== undefined) throw ofAll;
  if (membersOpened(openings, outcomes) >= needed) return;
  if (membersLeft(openings, outcomes) < needed) throw reasons[0];
  const nodes = openings.filter(({ isMember }, at) => isMember && outcomes[at] === undefined);
  const names = nodes.map(({ node }) => node).join(', ');
  const line = `no majority of the nodes has opened its disk within ${limitMs} ms: ${names} did not answer`;
  throw new CodedError('ERR_DISK_FAILED', line, { nodes: names });
}

/** Members that have opened. */
function membersOpened(openings: readonly Opening[], outcomes: readonly OpeningOutcome[]): number {
  return openings.filter(({ isMember }, at) => isMember && outcomes[at]?.status === 'fulfilled').length;
}

/** Members that have opened, or still may. */
function membersLeft(openings: readonly Opening[], outcomes: readonly OpeningOutcome[]): number {
  return openings.filter(({ isMember }, at) => isMember && outcomes[at]?.status !== 'rejected').length;
}
