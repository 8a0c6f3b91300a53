/** Verbs of the network: whole links, and single messages on them. */
import type { NodeId } from '@quorate/core';
import type { MailAction } from '../mail.ts';
import type { Stage } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

function setCut(stage: Stage, link: { FROM: string; TO: string }, isCut: boolean): void {
  stage.cluster.network.setCut(link.FROM as NodeId, link.TO as NodeId, isCut);
}

function setBothCut(stage: Stage, { FROM, TO }: { FROM: string; TO: string }, isCut: boolean): void {
  setCut(stage, { FROM, TO }, isCut);
  setCut(stage, { FROM: TO, TO: FROM }, isCut);
}

function rule(
  stage: Stage,
  action: MailAction,
  { KIND, FROM, TO }: { KIND: string; FROM: string; TO: string },
  left = Number.POSITIVE_INFINITY,
): void {
  const [from, to] = [stage.node(FROM).name, stage.node(TO).name];
  stage.mail.addRule({ action, kind: KIND, from, to, left });
}

export const linkVerbs: readonly Verb[] = [
  /** `partition a b | c d e`. */
  verb('partition SIDES', (stage, { SIDES }) => {
    stage.cluster.partition(SIDES.split(' | ').map((side) => stage.nodes(side).map(({ name }) => name)));
  }),
  verb('isolate NODE', (stage, { NODE }) => {
    const others = stage.cluster.members.filter((name) => name !== NODE);
    stage.cluster.partition([[stage.node(NODE).name], others]);
  }),
  verb('cut FROM > TO', (stage, link) => setCut(stage, link, true)),
  verb('cut FROM - TO', (stage, link) => setBothCut(stage, link, true)),
  verb('heal', (stage) => stage.cluster.healNetwork()),
  verb('heal FROM - TO', (stage, link) => setBothCut(stage, link, false)),
  /** Of the members, the client reaches these alone. */
  verb('client NAME reaches NODES', (stage, { NAME, NODES }) => {
    const reached = stage.nodes(NODES).map(({ name }) => name);
    for (const TO of stage.cluster.members) {
      setBothCut(stage, { FROM: `client-${NAME}`, TO }, !reached.includes(TO));
    }
  }),
  verb('lose PERCENT % of messages', (stage, { PERCENT }) => {
    stage.setWeather({ dropRate: wholeNumber(PERCENT) / 100 });
  }),
  verb('messages take FROM to TO', (stage, { FROM, TO }) => {
    stage.setWeather({ dropRate: 0, delayMs: [durationMs(FROM), durationMs(TO)] });
  }),

  verb('drop next KIND from FROM to TO', (stage, mail) => rule(stage, { type: 'drop' }, mail, 1)),
  verb('drop every KIND from FROM to TO', (stage, mail) => rule(stage, { type: 'drop' }, mail)),
  /** These get through whatever rules come after. */
  verb('pass next NUMBER KIND from FROM to TO', (stage, { NUMBER, ...mail }) =>
    rule(stage, { type: 'pass' }, mail, wholeNumber(NUMBER)),
  ),
  verb('hold next KIND from FROM to TO', (stage, mail) => rule(stage, { type: 'hold' }, mail, 1)),
  verb('hold every KIND from FROM to TO', (stage, mail) => rule(stage, { type: 'hold' }, mail)),
  verb('delay next KIND from FROM to TO by TIME', (stage, { TIME, ...mail }) =>
    rule(stage, { type: 'delay', byMs: durationMs(TIME) }, mail, 1),
  ),
  /** The copy comes so much later. */
  verb('duplicate next KIND from FROM to TO after TIME', (stage, { TIME, ...mail }) =>
    rule(stage, { type: 'duplicate', byMs: durationMs(TIME) }, mail, 1),
  ),
  verb('duplicate every KIND from FROM to TO after TIME', (stage, { TIME, ...mail }) =>
    rule(stage, { type: 'duplicate', byMs: durationMs(TIME) }, mail),
  ),
  verb('copy next KIND from FROM to TO', (stage, mail) => rule(stage, { type: 'copy' }, mail, 1)),
  verb('deliver copies', (stage) => stage.mail.deliverCopies()),
  verb('await NUMBER held from FROM to TO', (stage, { NUMBER, FROM, TO }) => {
    const [from, to] = [stage.node(FROM).name, stage.node(TO).name];
    const enough = (): boolean => stage.mail.heldCount(from, to) >= wholeNumber(NUMBER);
    return stage.until(enough, 10_000, `${NUMBER} messages are held`);
  }),
  /** Ends all of the rules above; what was held arrives. */
  verb('release messages', (stage) => stage.mail.release()),
];
