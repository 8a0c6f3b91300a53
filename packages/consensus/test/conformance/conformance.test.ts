/** Both protocols pass the suite that every protocol must pass. */
import { describe, test } from 'vitest';
import { conformanceCases } from '../../src/conformance/index.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import { raft } from '../../src/raft/raft.ts';

describe('Raft conforms', () => {
  for (const { name, run } of conformanceCases(raft)) test(name, run);
});

describe('Multi-Paxos conforms', () => {
  for (const { name, run } of conformanceCases(multiPaxos)) test(name, run);
});
