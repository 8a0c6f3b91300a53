/** Verbs of clients. `client 2: put x 1` lets another client than the first ask. */
import { type Consistency, consistencies } from '@quorate/consensus';
import { optionInvalid } from '@quorate/core';
import { ScenarioFailure, type Stage } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

const timeoutMsDefault = 3_000;
/** So many new acknowledgements show that a load goes on. */
const acknowledgementsForProgress = 3;

const by = (
  { speaker: client }: Stage,
  timeoutMs = timeoutMsDefault,
): { client: string; timeoutMs: number } => ({
  client,
  timeoutMs,
});

function requireLevel(level: string): Consistency {
  if ((consistencies as readonly string[]).includes(level)) return level as Consistency;
  throw optionInvalid('consistency', level, consistencies.join(', '));
}

/** `count` writes, one after the other, told in one line. */
async function putMany(stage: Stage, key: string, count: number): Promise<void> {
  const { conversation } = stage;
  const before = conversation.acknowledgedCount;
  const all = async (): Promise<void> => {
    for (let value = 1; value <= count; value++) await conversation.put(by(stage), { key, value }, false);
  };
  await stage.finish(all());
  const acknowledged = conversation.acknowledgedCount - before;
  stage.say(`client ${stage.speaker}: put ${key} 1 to ${count} -> ${acknowledged} ok`);
}

/** The same, all at once: what waits is told in no line, and `await answers` waits for it. */
function beginPuts(stage: Stage, key: string, count: number): void {
  for (let value = 1; value <= count; value++) {
    void stage.conversation.put(by(stage, 30_000), { key, value }, false);
  }
}

export const clientVerbs: readonly Verb[] = [
  verb('put KEY NUMBER times', (stage, { KEY, NUMBER }) => putMany(stage, KEY, wholeNumber(NUMBER))),
  verb('begin put KEY NUMBER times at once', (stage, { KEY, NUMBER }) =>
    beginPuts(stage, KEY, wholeNumber(NUMBER)),
  ),
  verb('put KEY VALUE', (stage, { KEY, VALUE }) =>
    stage.finish(stage.conversation.put(by(stage), { key: KEY, value: wholeNumber(VALUE) })),
  ),
  verb('put KEY VALUE within TIME', (stage, { KEY, VALUE, TIME }) =>
    stage.finish(
      stage.conversation.put(by(stage, durationMs(TIME)), { key: KEY, value: wholeNumber(VALUE) }),
    ),
  ),
  verb('cas KEY FROM VALUE', (stage, { KEY, FROM, VALUE }) => {
    const from = FROM === 'nothing' ? null : wholeNumber(FROM);
    return stage.finish(stage.conversation.cas(by(stage), { key: KEY, from, value: wholeNumber(VALUE) }));
  }),
  verb('begin cas KEY FROM VALUE within TIME', (stage, { KEY, FROM, VALUE, TIME }) => {
    const from = FROM === 'nothing' ? null : wholeNumber(FROM);
    void stage.conversation.cas(by(stage, durationMs(TIME)), { key: KEY, from, value: wholeNumber(VALUE) });
  }),
  verb('get KEY', (stage, { KEY }) => stage.finish(stage.conversation.get(by(stage), KEY, 'linearizable'))),
  verb('get KEY LEVEL', (stage, { KEY, LEVEL }) =>
    stage.finish(stage.conversation.get(by(stage), KEY, requireLevel(LEVEL))),
  ),
  verb('get KEY LEVEL within TIME', (stage, { KEY, LEVEL, TIME }) =>
    stage.finish(stage.conversation.get(by(stage, durationMs(TIME)), KEY, requireLevel(LEVEL))),
  ),
  /** Asks, and does not wait: the answer is told whenever it comes. */
  verb('begin put KEY VALUE', (stage, { KEY, VALUE }) => {
    void stage.conversation.put(by(stage), { key: KEY, value: wholeNumber(VALUE) });
  }),
  verb('begin put KEY VALUE within TIME', (stage, { KEY, VALUE, TIME }) => {
    void stage.conversation.put(by(stage, durationMs(TIME)), { key: KEY, value: wholeNumber(VALUE) });
  }),
  verb('begin get KEY LEVEL', (stage, { KEY, LEVEL }) => {
    void stage.conversation.get(by(stage), KEY, requireLevel(LEVEL));
  }),
  verb('begin get KEY LEVEL within TIME', (stage, { KEY, LEVEL, TIME }) => {
    void stage.conversation.get(by(stage, durationMs(TIME)), KEY, requireLevel(LEVEL));
  }),
  verb('await answers', (stage) =>
    stage.until(() => stage.conversation.open === 0, 60_000, 'every call is answered'),
  ),

  /** Writes into l, one value after the other, whatever becomes of them. */
  verb('begin load', (stage) => stage.beginLoad(stage.speaker)),
  verb('end load', (stage) => stage.endLoad()),
  verb('expect load goes on within TIME', (stage, { TIME }) => {
    const { conversation } = stage;
    const enough = conversation.acknowledgedCount + acknowledgementsForProgress;
    return stage.until(() => conversation.acknowledgedCount >= enough, durationMs(TIME), 'the load goes on');
  }),
  /** One write may have been on its way. */
  verb('expect load stands still for TIME', async (stage, { TIME }) => {
    const before = stage.conversation.acknowledgedCount;
    await stage.run(durationMs(TIME));
    const more = stage.conversation.acknowledgedCount - before;
    if (more > 1) throw new ScenarioFailure(`${more} writes were acknowledged`);
  }),
];
