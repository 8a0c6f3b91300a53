/** An acceptor's report: what it accepted from a slot on, as much of it as one promise may carry. */
import type { Entry } from '../protocol.ts';
import { entryBytes } from './accept-pipeline.ts';
import { nextSlot } from './ballot.ts';
import type { Prepare, Promised } from './message.ts';
import { entriesPerMessageMax } from './message-codec.ts';
import type { MultiPaxosState } from './state.ts';

export function takeReport(state: MultiPaxosState, prepare: Prepare): Promised {
  const { ballot, fromSlot } = prepare;
  const accepted: Entry[] = [];
  let bytes = 0;
  let slot = fromSlot;
  for (; slot <= state.log.last; slot = nextSlot(slot)) {
    const entry = state.log.get(slot);
    if (entry === undefined) continue;
    bytes += entryBytes(entry);
    const isFull = accepted.length === entriesPerMessageMax || bytes > state.options.appendBytesMax;
    if (accepted.length > 0 && isFull) break;
    accepted.push(entry);
  }
  const nextPage = slot <= state.log.last ? slot : undefined;
  return { type: 'promise', ballot, fromSlot, nextPage, chosenUpTo: state.chosenUpTo, accepted };
}
