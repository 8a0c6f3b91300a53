/**
 * Standing back: a leader that was deposed by its own disk leaves elections to the others for a while.
 *
 * A disk that stalled once may do so again, and a leader that comes and goes is worse than another one. So each
 * time it waits twice as long, up to a limit: it may be the only one whose log can win. A disk that has been well
 * for longer than that limit is taken for mended.
 */
export interface StandBack {
  /** How often this server gave up its lead because of its disk, lately. */
  stalls: number;
  /** Until then it does not stand. */
  untilMs: number;
}

const doublingsMax = 6;

export function neverStalled(): StandBack {
  return { stalls: 0, untilMs: Number.NEGATIVE_INFINITY };
}

/** How long a server stands back after `stalls` of its disk. */
export function standBackMs(stalls: number, electionTimeoutMaxMs: number): number {
  return 2 ** Math.min(stalls, doublingsMax) * electionTimeoutMaxMs;
}

export function noteDiskStalled(standBack: StandBack, nowMs: number, electionTimeoutMaxMs: number): void {
  const wellForMs = nowMs - standBack.untilMs;
  if (wellForMs > standBackMs(doublingsMax, electionTimeoutMaxMs)) standBack.stalls = 0;
  standBack.stalls += 1;
  standBack.untilMs = nowMs + standBackMs(standBack.stalls, electionTimeoutMaxMs);
}
