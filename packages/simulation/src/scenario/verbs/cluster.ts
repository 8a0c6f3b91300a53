/** Verbs that set the stage: the cluster and its limits. */
import type { NodeId } from '@quorate/core';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

export const clusterVerbs: readonly Verb[] = [
  // Before the cluster starts.
  verb('set seed NUMBER', (stage, { NUMBER }) => {
    stage.settings.seed = wholeNumber(NUMBER);
  }),
  verb('set append bytes NUMBER', ({ settings }, { NUMBER }) => {
    settings.tuning = { ...settings.tuning, appendBytesMax: wholeNumber(NUMBER) };
  }),
  verb('set uncommitted bytes NUMBER', ({ settings }, { NUMBER }) => {
    settings.tuning = { ...settings.tuning, uncommittedBytesMax: wholeNumber(NUMBER) };
  }),
  verb('set snapshot every NUMBER bytes', ({ settings }, { NUMBER }) => {
    settings.tuning = { ...settings.tuning, snapshotEveryBytes: wholeNumber(NUMBER) };
  }),
  verb('set segment bytes NUMBER', ({ settings }, { NUMBER }) => {
    settings.tuning = { ...settings.tuning, segmentBytes: wholeNumber(NUMBER) };
  }),
  verb('set election timeout FROM to TO', ({ settings }, { FROM, TO }) => {
    settings.tuning = { ...settings.tuning, electionTimeoutMs: [durationMs(FROM), durationMs(TO)] };
  }),

  /** Starts the nodes and waits until all are open. */
  verb('cluster NODES', (stage, { NODES }) => stage.build(NODES.split(' ') as NodeId[])),
  verb('run TIME', (stage, { TIME }) => stage.run(durationMs(TIME))),
];
