/**
 * The next segment of a log, made ready piece by piece while commits go to the one in use.
 *
 * A commit that comes while zeroes are being synced waits for them, and so does a quorum: the nodes of a group
 * fill their segments in step, and prepare the next ones at the same time. So pieces are small, and the growth of
 * the log says when each is due: there are many commits between two of them.
 */
import { createSegment, extendSegment, orClose, type Segment, type SegmentPlace } from './segment.ts';

/** Syncing so much takes hardly longer than syncing one commit. */
const pieceBytes = 256 * 1024;

export class SegmentPreparation {
  readonly #place: SegmentPlace;
  readonly #sizeBytes: number;
  readonly #ready: Promise<Segment>;
  /** So much of the segment may be done by now. */
  #dueBytes = 0;
  #onDue: (() => void) | undefined;
  /** The log waits for it. */
  #isWanted = false;
  #isGivenUp = false;

  /** @param wanted `begun`: one that an earlier life left, all of it zeroes and synced; undefined: there is none */
  constructor(
    place: SegmentPlace,
    wanted: { readonly sequence: number; readonly sizeBytes: number; readonly begun: Segment | undefined },
  ) {
    this.#place = place;
    this.#sizeBytes = wanted.sizeBytes;
    this.#ready = this.#prepare(wanted.sequence, wanted.begun);
    // A failure is met where the segment is needed: the log is whole without it until then.
    this.#ready.catch(() => undefined);
  }

  /** Lets it go on in the background until this part of it is done; 1 or more: all. */
  advance(part: number): void {
    this.#dueBytes = Math.max(this.#dueBytes, Math.min(1, part) * this.#sizeBytes);
    this.#onDue?.();
  }

  /** The segment is needed: does what is left at once. Resolves with zeroes, and a name, that survive a power loss. */
  finish(): Promise<Segment> {
    this.#isWanted = true;
    this.advance(1);
    return this.#ready;
  }

  /** The segment is not needed in this life; what there is of it stays for the next. */
  async close(): Promise<void> {
    this.#isGivenUp = true;
    this.#onDue?.();
    const segment = await this.#ready.catch(() => undefined);
    await segment?.file.close();
  }

  async #prepare(sequence: number, begun: Segment | undefined): Promise<Segment> {
    const segment = begun ?? (await createSegment(this.#place, sequence));
    return orClose(segment, async () => {
      while (segment.sizeBytes < this.#sizeBytes) {
        await this.#due(segment.sizeBytes);
        if (this.#isGivenUp) return;
        const upTo = this.#isWanted ? this.#sizeBytes : segment.sizeBytes + pieceBytes;
        await extendSegment(segment, Math.min(upTo, this.#sizeBytes));
      }
      await this.#place.fileSystem.syncDirectory(this.#place.directory);
    });
  }

  async #due(doneBytes: number): Promise<void> {
    while (!this.#isGivenUp && this.#dueBytes <= doneBytes) {
      await new Promise<void>((resolve) => {
        this.#onDue = resolve;
      });
    }
  }
}
