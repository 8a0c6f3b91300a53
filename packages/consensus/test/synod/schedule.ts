/** Schedules: what happens in a world, as data that fast-check can draw and make smaller. */
import fc from 'fast-check';
import type { World } from './world.ts';

/** `pick` says which message or which participant, counted round. */
export interface Event {
  readonly type: 'deliver' | 'double' | 'lose' | 'sync' | 'propose' | 'crash' | 'restart';
  readonly pick: number;
}

type Weights = Readonly<Record<Event['type'], number>>;

const calm: Weights = { deliver: 40, double: 3, lose: 3, sync: 40, propose: 6, crash: 1, restart: 4 };

/** One mix for all would be good at one kind of trouble and blind for the others. */
const mixes: readonly Weights[] = [
  calm,
  { ...calm, crash: 6, restart: 20 },
  { ...calm, double: 30, crash: 6, restart: 20, propose: 12 },
  { ...calm, lose: 20, propose: 12 },
  { ...calm, propose: 15, crash: 6, restart: 20 },
];

const eventOf = (weights: Weights): fc.Arbitrary<Event> =>
  fc.oneof(
    ...Object.entries(weights).map(([type, weight]) => ({
      weight,
      arbitrary: fc.record({ type: fc.constant(type as Event['type']), pick: fc.nat({ max: 1_000 }) }),
    })),
  );

export const schedule: fc.Arbitrary<Event[]> = fc.oneof(
  ...mixes.map((mix) => fc.array(eventOf(mix), { minLength: 40, maxLength: 250, size: 'max' })),
);

/** Lets `event` happen; what it picks out of nothing does not happen. */
export function happen(world: World, { type, pick }: Event): void {
  const id = world.ids[pick % world.ids.length] as string;
  const envelope = world.bag[pick % Math.max(1, world.bag.length)];
  switch (type) {
    case 'deliver':
      if (envelope !== undefined) world.deliver(envelope);
      return;
    case 'double':
      if (envelope !== undefined) world.deliver(envelope, 'doubled');
      return;
    case 'lose':
      world.bag = world.bag.filter((other) => other !== envelope);
      return;
    case 'sync':
      world.sync(id);
      return;
    case 'propose':
      if (world.member(id).participant !== undefined) world.propose(id, `v${world.asked.size + 1}`);
      return;
    case 'crash':
      world.crash(id);
      return;
    case 'restart':
      world.restart(id);
  }
}
