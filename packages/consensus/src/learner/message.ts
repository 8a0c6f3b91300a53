/**
 * What a learner and its teacher say to each other, and its form on the wire.
 *
 * A learner asks, page by page; a teacher keeps nothing of it. So a lost message costs a repeated question, and a
 * slow learner slows nobody but itself.
 */
import { bytes, CodedError, integer, list, type NodeId, optional, text, tuple } from '@quorate/core';
import type { Entry, LogIndex, Reign } from '../protocol.ts';

export type LearnerMessage = Ask | Page;

/** The learner holds every committed entry below `from` and wants what follows. */
export interface Ask {
  readonly type: 'ask';
  readonly from: LogIndex;
  /** The disk it is on: what an epoch that makes it a voter will know it by. */
  readonly diskId: string;
}

/** Committed entries from the index that was asked for on, without a gap; none when there are no more yet. */
export interface Page {
  readonly type: 'page';
  readonly from: LogIndex;
  readonly entries: readonly Entry[];
  /** How far the teacher knows the log to be committed. */
  readonly commitIndex: LogIndex;
  /** Whom the teacher knows to lead: the one who decides when the learner gets a voice. */
  readonly leader: NodeId | undefined;
}

const kinds = { ask: 1, page: 2 } as const satisfies Record<LearnerMessage['type'], number>;

/** Entries in one page, at most. */
export const pageEntriesMax = 4_096;

const index = integer<LogIndex>();
const payload = bytes(2 ** 31);
const askSchema = tuple(integer(), integer<LogIndex>(1), text(64));
const pageSchema = tuple(
  integer(),
  integer<LogIndex>(1),
  index,
  optional(text<NodeId>(128)),
  list(tuple(integer<Reign>(), integer(), payload), pageEntriesMax),
);

export function encodeMessage(message: LearnerMessage): readonly unknown[] {
  switch (message.type) {
    case 'ask':
      return [kinds.ask, message.from, message.diskId];
    case 'page': {
      // The entries stand one after the other, so the first index tells them all.
      const entries = message.entries.map(({ reign, timeMs, payload: body }) => [reign, timeMs, body]);
      return [kinds.page, message.from, message.commitIndex, message.leader ?? null, entries];
    }
  }
}

/** @throws CodedError ERR_FRAME_INVALID */
export function decodeMessage(wire: unknown): LearnerMessage {
  const at = 'learner message';
  const kind: unknown = Array.isArray(wire) ? wire[0] : undefined;
  switch (kind) {
    case kinds.ask: {
      const [, from, diskId] = askSchema(wire, at);
      return { type: 'ask', from, diskId };
    }
    case kinds.page: {
      const [, from, commitIndex, leader, rows] = pageSchema(wire, at);
      index(from + rows.length, `${at}[1]: the index after the last entry`);
      // A view of the frame would pin it for as long as the entry lives.
      const entries = rows.map(
        ([reign, timeMs, body], place): Entry => ({
          index: (from + place) as LogIndex,
          reign,
          timeMs,
          payload: body.slice(),
        }),
      );
      return { type: 'page', from, entries, commitIndex, leader };
    }
    default:
      throw new CodedError('ERR_FRAME_INVALID', `${at}: unknown kind ${String(kind)}`, {});
  }
}
