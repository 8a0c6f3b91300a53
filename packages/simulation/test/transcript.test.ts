/** The scenario language: what a transcript may look like, and that playing one notices what it should. */
import { describe, expect, test } from 'vitest';
import { firstDifference, playTranscript } from '../src/scenario/play.ts';
import { parseTranscript, renderTranscript } from '../src/scenario/transcript.ts';
import { commandForms } from '../src/scenario/vocabulary.ts';

const opening = '# 0. A title\n# Source: nowhere\n# Protocols: raft\n#\n# A story.\n\n';
const transcript = (body: string) => parseTranscript('00-test', `${opening}${body}`);

describe('a transcript', () => {
  test('is blocks of commands, each with what was seen and the comments before it', () => {
    const { title, source, protocols, blocks, after } = transcript(
      'cluster a\nlead a\n----\na leads\n\n# Why.\n[raft] put x 1\n\n# The end.\n',
    );
    expect({ title, source, protocols }).toEqual({
      title: '0. A title',
      source: 'nowhere',
      protocols: ['raft'],
    });
    expect(blocks.map(({ output }) => output)).toEqual([['a leads'], []]);
    expect(blocks[1]?.before).toEqual(['', '# Why.']);
    expect(blocks[1]?.commands).toEqual([{ line: 13, only: 'raft', text: 'put x 1' }]);
    expect(after).toEqual(['', '# The end.']);
  });

  test('is written with other outputs, and an empty line after each', () => {
    const read = transcript('cluster a\n# Why.\nlead a\n');
    expect(renderTranscript(read, [['seen'], ['more']])).toBe(
      `${opening}cluster a\n----\nseen\n\n# Why.\nlead a\n----\nmore\n`,
    );
  });

  test('without a source is refused', () => {
    expect(() => parseTranscript('00-test', '# 0. A title\n\ncluster a\n')).toThrow(/no line "Source: "/);
  });
});

describe('playing', () => {
  const play = (body: string) => playTranscript(transcript(body), 'raft');

  test('tells the line and the reason when an expectation does not hold', async () => {
    const { failure } = await play('cluster a b c\nlead a\nexpect b leads\n');
    expect(failure).toBe('line 9: a leads');
  });

  test('tells what is no command', async () => {
    expect((await play('cluster a\ndance\n')).failure).toMatch(/^line 8: ERR_OPTION_INVALID: .*"dance"/);
    expect((await play('lead a\n')).failure).toMatch(/^line 7: ERR_OPTION_INVALID: .*a cluster comes first/);
    expect((await play('cluster a\nrun fast\n')).failure).toMatch(/a duration like 250ms or 15s/);
  });

  test('shows what was seen otherwise', async () => {
    const read = transcript('cluster a\nlead a\n----\nb leads\n');
    const difference = firstDifference(read, await playTranscript(read, 'raft'));
    expect(difference).toBe('00-test, line 7, under raft\n- b leads\n+ a leads');
  });

  test('leaves out what is meant for another protocol', async () => {
    expect((await play('cluster a\n[multi-paxos] dance\n')).failure).toBeUndefined();
  });

  test('knows no two commands of one form', () => {
    expect(new Set(commandForms).size).toBe(commandForms.length);
  });
});
