/** Guards of scenarios 30 to 42: what a disk, and a state machine, may do to what was acknowledged. */
import {
  type AnyFunction,
  border,
  both,
  disk,
  type PlantedGuard,
  paxos,
  type Removal,
  raft,
  rule,
} from './removal.ts';

const judgeTail = rule('storage/src/tail-verdict.ts#judgeTail', () => () => 'torn');

/** A snapshot has the state from before the last command, and the position from after it. */
const snapshotsLag: Removal = {
  kind: 'machine',
  spoil: (definition) => ({
    ...definition,
    create() {
      const machine = definition.create();
      let before = machine.snapshot();
      return {
        ...machine,
        apply(command, context) {
          before = machine.snapshot();
          return machine.apply(command, context);
        },
        snapshot: () => before,
      };
    },
  }),
};

/** What a node writes counts as durable at home as soon as the disk is asked. */
const ownWriteAtOnce: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    step(state, input, nowMs, effects) {
      if (input.type === 'persisted') return;
      let seen = effects.length;
      protocol.step(state, input, nowMs, effects);
      for (; seen < effects.length; seen += 1) {
        const effect = effects[seen];
        if (effect?.type !== 'persist' && effect?.type !== 'install') continue;
        protocol.step(state, { type: 'persisted', mark: effect.mark }, nowMs, effects);
      }
    },
  }),
};

const startsWithoutState = rule(
  'consensus/src/replica/restore-snapshot.ts#restoreSnapshot',
  (original) =>
    async (...values) =>
      original(...values).catch(() => undefined),
);

const neverFails = (operation: AnyFunction | undefined): AnyFunction => {
  return async (...values) => operation?.(...values).catch(() => undefined);
};

/** As of the segments of scenario 33: what is written near the end of one is not synced. */
const segmentBytes = 1_024;
const segmentEndsUnsynced = disk((file) => {
  const { write, datasync } = file;
  let end = 0;
  file['write'] = (buffers: readonly Uint8Array[], position: number) => {
    end = position + buffers.reduce((bytes, { byteLength }) => bytes + byteLength, 0);
    return write?.(buffers, position);
  };
  file['datasync'] = async () => {
    if (end < segmentBytes - 200 || end > segmentBytes) await datasync?.();
  };
});

const anyOwner = rule('storage/src/directory.ts#openNodeDirectory', (original) => async (options) => {
  const owners = ['a', 'b', 'c', 'd', 'e'];
  const tries = owners.map((node) => original({ ...options, node }));
  return Promise.any(tries);
});

export const storageGuards: readonly PlantedGuard[] = [
  {
    scenario: '30-power-loss',
    protocols: both,
    guard: 'a reply leaves when the write that it speaks of is durable; it leaves at once',
    removals: [border('reply-before-persist')],
    red: /chosen is held/,
  },
  {
    scenario: '31-sync-fails-once',
    protocols: both,
    guard: 'a failed sync ends the node; it is tried again, and believed',
    removals: [
      disk((file) => {
        const { datasync } = file;
        file['datasync'] = async () => datasync?.().catch(() => datasync());
      }),
    ],
    red: /chosen is held/,
  },
  {
    scenario: '32-torn-tail-and-hole',
    protocols: both,
    guard: 'damage that no crash explains is no torn tail; it is cut away',
    removals: [judgeTail],
    red: /b stop/,
  },
  {
    scenario: '33-segment-roll',
    protocols: both,
    guard: 'the name of a new segment is synced before it is used; it is not',
    removals: [
      disk((_, system) => {
        system['syncDirectory'] = async () => undefined;
      }),
    ],
    red: /no node is up/,
  },
  {
    scenario: '33-segment-roll',
    protocols: both,
    guard: 'the end of a segment is synced before the next one begins; it is not',
    removals: [segmentEndsUnsynced],
    red: /no node is up/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: both,
    guard: 'what a received snapshot holds takes the place of the state; the state stays',
    removals: [
      rule('consensus/src/replica/restore-snapshot.ts#restoreSnapshot', () => async () => undefined),
    ],
    red: /a stops: entry/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: raft,
    guard: 'a snapshot takes the place of a log that conflicts with it; it leaves what follows',
    removals: [rule('consensus/src/raft/snapshot-boundary.ts#replacesLog', () => () => false)],
    red: /a stops: only what the log holds is compacted/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: raft,
    guard: 'an append that begins below the snapshot joins the log; it is refused',
    removals: [
      rule('consensus/src/raft/snapshot-boundary.ts#joinsLog', () => (log, prev) => log.matches(prev)),
    ],
    red: /snapshots were sent to a/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: raft,
    guard: 'entries of an append that the snapshot holds are passed over; they are taken for news',
    removals: [
      rule(
        'consensus/src/raft/snapshot-boundary.ts#isNewEntry',
        () =>
          (log, { index, reign: term }) =>
            !log.matches({ index, term }),
      ),
    ],
    red: /a stops: what is committed is never replaced/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: paxos,
    guard:
      'an accept in a slot that the snapshot holds is acknowledged as it stands; it is taken for another value',
    removals: [
      rule(
        'consensus/src/multi-paxos/learner.ts#assertSameValue',
        (original) => (held, proposed) => original(held ?? { ...proposed, timeMs: -1 }, proposed),
      ),
    ],
    red: /stops: slot \d+ is chosen, and another value/,
  },
  {
    scenario: '35-applied-index',
    protocols: both,
    guard: 'position and state are of one moment; the state in a snapshot is one command older',
    removals: [snapshotsLag],
    // The state hash stands behind it: who restored another state than the snapshot was taken of does not serve.
    red: /not within \d+ ms: b open/,
  },
  {
    scenario: '36-rotten-snapshot',
    protocols: both,
    guard: 'a node that cannot restore its state does not start; it starts with none',
    removals: [startsWithoutState],
    red: /- b stops: ERR_LOG_CORRUPT/,
  },
  {
    scenario: '37-rotten-log',
    protocols: both,
    guard: 'damage that no crash explains is no torn tail; it is cut away',
    removals: [judgeTail],
    red: /- b stops: ERR_LOG_CORRUPT/,
  },
  {
    scenario: '38-disjoint-damage',
    protocols: both,
    guard: 'a frame counts if its checksum fits; every frame counts',
    removals: [rule('storage/src/frame.ts#isFrameIntact', () => () => true)],
    red: /log matching|chosen once/,
  },
  {
    scenario: '39-disk-full',
    protocols: both,
    guard: 'a write that failed ends the node; it is taken for a success',
    removals: [
      disk((file) => {
        file['write'] = neverFails(file['write']);
      }),
    ],
    red: /not within 1000 ms: b stops/,
  },
  {
    scenario: '40-single-node',
    protocols: both,
    guard: 'the own write counts when it is durable; it counts at once',
    removals: [ownWriteAtOnce],
    red: /chosen is held/,
  },
  {
    scenario: '41-disks-swapped',
    protocols: both,
    guard: 'a disk belongs to the node that its superblock names; to any',
    removals: [anyOwner],
    red: /b stopped with ERR_LOG_CORRUPT/,
  },
  {
    scenario: '41-disks-swapped',
    protocols: both,
    guard: 'a disk belongs to the node that its superblock names, and a node to its disk; to any',
    removals: [anyOwner, rule('storage/src/directory.ts#readNodeDirectory', () => async () => undefined)],
    red: /not within 1000 ms: b stops/,
  },
  {
    scenario: '42-non-deterministic',
    protocols: both,
    guard: 'a minority that differs stops, and without a majority all stop; nobody does',
    removals: [rule('consensus/src/replica/divergence.ts#judgeDivergence', () => () => ({ type: 'open' }))],
    red: /not within 1000 ms: c stops/,
  },
  {
    scenario: '42-non-deterministic',
    protocols: both,
    guard: 'replicas compare what their states come to; they compare results alone',
    removals: [rule('consensus/src/replica/digest.ts#digestOf', () => () => null)],
    red: /not within 1000 ms: c stops/,
  },
];
