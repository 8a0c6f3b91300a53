/**
 * An actor that counts words. Its state lives in the factory, so a restart begins from nothing: what
 * must survive belongs into a replicated state machine.
 */
import { defineActor } from '@quorate/core';

export type CounterMessage = { readonly type: 'count'; readonly line: string } | { readonly type: 'total' };

export default defineActor<CounterMessage, number>((context) => {
  let total = 0;
  context.log.info(`${context.self.address} counts`);
  return {
    receive(message) {
      if (message.type === 'count') {
        // A bug on purpose: nobody thought of empty lines. Supervision deals with it.
        const words = message.line.match(/\S+/g) as RegExpMatchArray;
        total += words.length;
      }
      return total;
    },
  };
});
