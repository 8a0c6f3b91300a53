/** The absence of faults, as people ask for it: a word of the option, and no event in any run. */
export const none = {
  name: 'none',
  sentence: 'nothing is done to the cluster',
} as const;
