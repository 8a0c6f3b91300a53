/**
 * Last words: what a node had sent before its thread ended, and what is read after word of its end.
 *
 * Word of an end overtakes the mail that waits. What a dead leader sent is worth having, entries of it may be
 * chosen; but it is no sign of life. Taken for one, it would have a follower wait a whole election timeout for
 * a leader that it knows to be gone.
 *
 * For the shortest election timeout everything that comes from the dead counts as such. Its next life stands no
 * earlier than that, and whoever still speaks later lives: so a false hint does no lasting harm.
 */
import type { NodeId } from '@quorate/core';

/** The peers whose thread has ended, and until when what comes from them was sent before that. */
export type LastWords = Map<NodeId, number>;

export function expectLastWords(
  lastWords: LastWords,
  peer: NodeId,
  { nowMs, electionTimeoutMinMs }: { readonly nowMs: number; readonly electionTimeoutMinMs: number },
): void {
  lastWords.set(peer, nowMs + electionTimeoutMinMs);
}

export function isLastWord(lastWords: LastWords, from: NodeId, nowMs: number): boolean {
  return nowMs < (lastWords.get(from) ?? Number.NEGATIVE_INFINITY);
}
