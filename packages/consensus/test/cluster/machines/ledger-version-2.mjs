/** The ledger under a later version, as if its snapshots had another form. */
import { defineStateMachine } from '@quorate/consensus';
import ledger from './ledger.mjs';

export default defineStateMachine({ version: 2 }, () => ledger.create());
