/**
 * A progress bar for a person who waits: on a terminal only, on standard error, gone when done.
 */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** @param fraction 0 to 1 @param note what is being done now, a few words */
  update(fraction: number, note: string): void;
  stop(): void;
}

const silent: Progress = { update: () => {}, stop: () => {} };

export function startProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return silent;
  const bar = new SingleBar(
    {
      format: ' {bar} {percentage}%  {duration_formatted}  {note}',
      stream,
      hideCursor: true,
      clearOnComplete: true,
      fps: 10,
    },
    Presets.shades_classic,
  );
  bar.start(100, 0, { note: '' });
  return {
    update: (fraction, note) => bar.update(Math.round(Math.min(Math.max(fraction, 0), 1) * 100), { note }),
    stop: () => bar.stop(),
  };
}
