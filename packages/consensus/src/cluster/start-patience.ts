/**
 * The patience of a start: all nodes open their disks at once, and a disk that hangs must not keep those
 * from serving that can.
 */

/**
 * Waits for all of `opening`, but no longer than `patienceMs` from the moment on when `needed` of them have
 * succeeded. @returns what has become of each; undefined for one that is still under way
 */
export function openedInTime(
  opening: readonly Promise<void>[],
  needed: number,
  patienceMs: number,
): Promise<readonly (PromiseSettledResult<void> | undefined)[]> {
  return new Promise((resolve) => {
    const outcomes: (PromiseSettledResult<void> | undefined)[] = opening.map(() => undefined);
    let succeeded = 0;
    let settled = 0;
    let timer: NodeJS.Timeout | undefined;
    const note = (at: number, outcome: PromiseSettledResult<void>): void => {
      outcomes[at] = outcome;
      settled++;
      if (outcome.status === 'fulfilled') succeeded++;
      if (settled === opening.length) {
        clearTimeout(timer);
        resolve([...outcomes]);
      } else if (succeeded >= needed) timer ??= setTimeout(() => resolve([...outcomes]), patienceMs);
    };
    for (const [at, promise] of opening.entries()) {
      promise.then(
        (value) => note(at, { status: 'fulfilled', value }),
        (reason: unknown) => note(at, { status: 'rejected', reason }),
      );
    }
  });
}
