/** The registers of one replica, with somebody who looks on while commands are applied. */
import type { StateMachineDefinition } from '@quorate/consensus';
import registers, { type RegisterCommand } from './registers.ts';

export interface RegisterObserver {
  readonly applying: () => void;
  /** @param answer what the machine returned, or `threw` */
  readonly applied: (position: number, command: RegisterCommand, answer: boolean | null | 'threw') => void;
}

export function observedRegisters({ applying, applied }: RegisterObserver): StateMachineDefinition {
  const observed: typeof registers = {
    ...registers,
    create() {
      const machine = registers.create();
      return {
        ...machine,
        apply(command, context) {
          applying();
          let answer: boolean | null | 'threw' = 'threw';
          try {
            answer = machine.apply(command, context);
            return answer;
          } finally {
            applied(context.position, command, answer);
          }
        },
      };
    },
  };
  return observed as StateMachineDefinition;
}
