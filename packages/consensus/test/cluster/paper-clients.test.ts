/** How clients interact with the cluster, sentence by sentence, with the servers played by hand. [Raft §8] */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { SessionByHand } from './session-by-hand.ts';

let hand: SessionByHand;

beforeEach(() => {
  hand = new SessionByHand();
});

describe('[Raft §8] finding the leader', () => {
  test('clients send all of their requests to the leader', () => {
    hand.leads('b');
    for (const word of ['x', 'y', 'z']) hand.session.propose(word).catch(() => undefined);
    hand.clock.endTurn();
    hand.answerOpening();
    hand.session.query('q', { consistency: 'linearizable' }).catch(() => undefined);
    expect(hand.asked.length).toBeGreaterThan(0);
    hand.clock.advance(300);
    expect(new Set(hand.asked.map(({ node }) => node))).toEqual(new Set(['b']));
  });

  test('a server that is not the leader rejects the request and supplies the most recent leader it has heard from', () => {
    hand.leads('a');
    hand.session.propose('x').catch(() => undefined);
    hand.clock.endTurn();
    hand.answerOpening();
    const asked = hand.next();
    expect(asked.node).toBe('a');
    hand.refuse(asked, 'ERR_NOT_LEADER', 'c');
    // It is believed at once, and the request is the same.
    const again = hand.next();
    expect(again.node).toBe('c');
    expect(again.payload).toEqual(asked.payload);
  });

  test('a client that knows of no leader tries one server after the other until it finds it', async () => {
    const call = hand.session.propose('x');
    const tried: string[] = [];
    while (tried.at(-1) !== 'b') {
      hand.clock.advance(1_000);
      const asked = hand.next();
      hand.asked = [];
      tried.push(asked.node);
      expect(tried.length).toBeLessThan(10);
      if (asked.node !== 'b') hand.refuse(asked, 'ERR_NOT_LEADER');
      else
        hand.errands.received(
          { type: 'opened', request: asked.request, index: 7 as never, session: 1 },
          'b' as never,
        );
    }
    hand.leads('b');
    hand.answerBatch(hand.next(), ['done']);
    expect(await call).toBe('done');
  });

  test('if the leader crashes, client requests time out, and clients try again with other servers', async () => {
    hand.leads('a');
    const call = hand.session.propose('x');
    hand.clock.endTurn();
    hand.answerOpening();
    const lost = hand.next();
    hand.view.wentDown('a' as never);
    hand.errands.nodeDown('a' as never);
    hand.clock.advance(2_000);
    const others = hand.asked.map(({ node }) => node);
    expect(others.length).toBeGreaterThan(0);
    expect(others).not.toContain('a');
    const again = hand.next();
    expect(again.payload).toEqual(lost.payload);
    hand.answerBatch(again, ['once']);
    expect(await call).toBe('once');
  });
});

describe('[Raft §8] linearizable semantics', () => {
  test('clients assign unique serial numbers to every command', () => {
    const turn = fc.record({ commands: fc.integer({ min: 1, max: 4 }), answers: fc.boolean() });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
        const client = new SessionByHand();
        client.leads('a');
        client.session.propose('first').catch(() => undefined);
        client.clock.endTurn();
        client.answerOpening();
        const serials = new Map<number, string>();
        let reign = 1;
        for (const { commands, answers } of turns) {
          for (let at = 0; at < commands; at++) client.session.propose(`${at}`).catch(() => undefined);
          client.clock.endTurn();
          while (client.asked.length > 0) {
            const asked = client.next();
            if (asked.payload?.type !== 'batch') throw new Error('commands come in batches');
            const { batch } = asked.payload;
            const said = JSON.stringify(asked.payload.commands);
            // Whatever is asked again under a serial number is the same, and nothing else is asked under it.
            expect(serials.get(batch) ?? said).toBe(said);
            serials.set(batch, said);
            if (answers)
              client.answerBatch(
                asked,
                (asked.payload.commands as unknown[]).map(() => 'done'),
              );
          }
          reign += 1;
          client.leads(reign % 2 === 0 ? 'b' : 'a', reign);
        }
        const numbers = [...serials.keys()].sort((one, other) => one - other);
        expect(numbers).toEqual(numbers.map((_, at) => at + 1));
      }),
      { numRuns: 60 },
    );
  });

  test('if the leader crashes after committing the entry but before responding, the client retries the command with a new leader', async () => {
    hand.leads('a');
    const call = hand.session.propose('x');
    hand.clock.endTurn();
    hand.answerOpening();
    const committed = hand.next();
    hand.view.wentDown('a' as never);
    hand.errands.nodeDown('a' as never);
    hand.leads('b', 2);
    const retried = hand.next();
    expect(retried.node).toBe('b');
    // Under its serial number, so that the state machine can tell that it was executed: see `replica/`.
    expect(retried.payload).toEqual(committed.payload);
    hand.answerBatch(retried, ['of its only execution']);
    expect(await call).toBe('of its only execution');
  });
});
