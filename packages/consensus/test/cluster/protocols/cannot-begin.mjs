/** A module with all that a protocol has, and no epoch can begin with it. */
export default {
  name: 'cannot-begin',
  start: () => {
    throw new Error(`it does not begin ${'so '.repeat(5_000)}`);
  },
  step: () => undefined,
  status: () => ({}),
  foundingHardState: () => new Uint8Array(0),
  committedFrom: () => undefined,
  encodeMessage: () => [],
  decodeMessage: () => undefined,
  inspect: () => ({}),
};
