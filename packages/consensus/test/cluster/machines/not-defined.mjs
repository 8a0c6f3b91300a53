/** A default export that looks like a state machine and was not made by `defineStateMachine`. */
export default { version: 1, create: () => ({}) };
