/**
 * A progress bar for a person who waits: on a terminal only, on standard error, gone when done; and what is worth
 * knowing before the end, on any standard error.
 */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** @param fraction 0 to 1 @param note what is being done now, a few words */
  update(fraction: number, note: string): void;
  /** Lines that stay, above the bar. */
  say(text: string): void;
  stop(): void;
}

export function startProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const say = (text: string): void => {
    stream.write(`${text}\n`);
  };
  if (!stream.isTTY) return { update: () => {}, say, stop: () => {} };
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
    say: (text) => {
      // The line of the bar is taken for the text; the bar draws itself again below it.
      stream.cursorTo(0);
      stream.clearLine(0);
      say(text);
    },
    stop: () => bar.stop(),
  };
}
