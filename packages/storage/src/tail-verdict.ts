/**
 * The decision table of recovery: what to make of the place where the frames of a segment stop.
 *
 * A crash can only undo what was not synced, and what it undoes reads as zeroes, because the segment
 * was zeroes before. Everything else is damage that no crash explains, and nobody may cut it away:
 * it may have been acknowledged.
 */

/** What is known about the first place in a log where no whole commit stands. */
export interface TailEvidence {
  /** What follows was written after this place had been synced: a later commit, whole or not, or segment. */
  readonly isKnownSynced: boolean;
  /** From here to the end of the file there is nothing but zeroes. */
  readonly isZeroToEnd: boolean;
  /**
   * The frame that should stand here lacks at least one whole sector, or its end and all that follows:
   * a write that was under way leaves exactly this.
   */
  readonly isExplainedByZeroes: boolean;
}

/** `end`: the log ends here. `torn`: cut here, nothing of it was acknowledged. `rot`: stop and say so. */
export type TailVerdict = 'end' | 'torn' | 'rot';

/** What that place is. Pure; `FORMAT.md` has the argument, case by case. */
export function judgeTail(evidence: TailEvidence): TailVerdict {
  if (evidence.isKnownSynced) return 'rot';
  if (evidence.isZeroToEnd) return 'end';
  return evidence.isExplainedByZeroes ? 'torn' : 'rot';
}
