/** An actor that watches others, on whatever node they live, and knows which of them have ended, and why. */
import { defineActor, type Signal } from '@quorate/core';

export type GuardianMessage =
  /** Watch over the actor at this address from now on. */
  | { readonly type: 'guard'; readonly address: string }
  /** Answered at the next end of somebody under guard. */
  | { readonly type: 'await-end' };

export interface End {
  readonly address: string;
  readonly reason: string;
  /** With `node-down`: which life of the node it was. */
  readonly incarnation?: number;
}

export default defineActor<GuardianMessage, End | undefined>((context) => {
  const unheard: End[] = [];
  const waiting: ((end: End) => void)[] = [];
  return {
    receive(message) {
      if (message.type === 'guard') {
        context.watch(context.actor(message.address));
        return undefined;
      }
      // A promise is an answer that comes later; meanwhile the mailbox goes on.
      return unheard.shift() ?? new Promise<End>((resolve) => waiting.push(resolve));
    },
    signal(signal: Signal) {
      if (signal.type !== 'terminated') return;
      const { address, reason, incarnation } = signal;
      const end = incarnation === undefined ? { address, reason } : { address, reason, incarnation };
      const tell = waiting.shift();
      if (tell === undefined) unheard.push(end);
      else tell(end);
    },
  };
});
