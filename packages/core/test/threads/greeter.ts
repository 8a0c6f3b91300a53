/** An actor in TypeScript, as an app has it while it is being written. */
import { defineActor } from '@quorate/core';

interface Greeting {
  readonly greet: string;
}

export default defineActor<Greeting, string>(() => ({ receive: (message) => `hello ${message.greet}` }));
