/** An actor in a module of its own, since it is loaded inside a node's thread. */
import { defineActor } from '@quorate/core';

export default defineActor<{ greet: string }, string>(() => ({
  receive: (message) => `hello ${message.greet}`, // what it returns answers an ask
}));
