/** The same task for many items, some of them at a time, and how each ended. */

/** Does `task` for each item, so many at a time, and says how each ended. Never rejects. */
export async function eachOf<T, R>(
  items: readonly T[],
  atOnce: number,
  task: (item: T, at: number) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const outcomes: PromiseSettledResult<R>[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of waiting) {
      outcomes[at] = await task(item, at).then(
        (value) => ({ status: 'fulfilled', value }),
        (reason: unknown) => ({ status: 'rejected', reason }),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return outcomes;
}

/** The first of them that failed. */
export function failureIn(
  outcomes: readonly PromiseSettledResult<unknown>[],
): PromiseRejectedResult | undefined {
  return outcomes.find((outcome) => outcome.status === 'rejected');
}
