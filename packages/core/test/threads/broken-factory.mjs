/** An actor whose factory always fails. */
import { defineActor } from '@quorate/core';

export default defineActor(async () => {
  throw new Error('the factory is broken');
});
