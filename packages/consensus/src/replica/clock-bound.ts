/**
 * How far clocks are trusted: the one assumption about time that safety rests on, and only that of lease reads.
 *
 * A monotonic clock may run fast or slow, and nobody can see which. What is assumed is a bound on how far two
 * of them differ in rate. Quartz keeps within a ten-thousandth; the bound is wide for the sake of virtual
 * machines whose clocks are slewed. A machine that is suspended while its monotonic clock stands still breaks it.
 * Wall clocks may jump at will: no read and no vote is decided by them, only when an idle session has expired.
 */

/** Of two nodes' monotonic clocks, neither counts more than this many milliseconds while the other counts one. */
export const clockRateRatioMax = 1.5;

/**
 * How long after the sending of a confirmed round its leader may answer alone. Everyone who confirmed it stays
 * with this leader for the shortest election timeout of its own clock, which may be the fastest, while the
 * leader's is the slowest. [RaftThesis §6.4.1]
 */
export function leaseMsFor(electionTimeoutMinMs: number): number {
  return electionTimeoutMinMs / clockRateRatioMax;
}
