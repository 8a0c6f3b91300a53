/** A module with all that a protocol has, whose state would come too late. */
export default {
  name: 'begins-later',
  start: async () => ({}),
  step: () => undefined,
  status: (state) => ({ role: state.role }),
  foundingHardState: () => new Uint8Array(0),
  committedFrom: () => undefined,
  encodeMessage: () => [],
  decodeMessage: () => undefined,
  inspect: () => ({}),
};
