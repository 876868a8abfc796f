/** What people and operators do to one run, in sequences made by chance. Imports nothing of the product. */
import type { Chance } from '../random.ts'

export type Execution = 'run' | 'writeback' | 'approval'
/** How a decision comes: through the API, or as a signed ticket in a signal to one of the executions. */
export type Door = 'api' | Execution
export type Verdict = 'approve' | 'reject'

export type Action =
  /** By one of two people who may. */
  | { kind: 'decide'; verdict: Verdict; by: 'lena' | 'max'; through: Door }
  /** By whoever asked, by somebody without the role, by an agent with it. */
  | { kind: 'decide_wrongly'; verdict: Verdict; by: 'carl' | 'wanda' | 'robot' }
  /** To the workflow task at this share of the history. */
  | { kind: 'reset'; share: number }
  | { kind: 'cancel'; what: Execution }
  | { kind: 'terminate'; what: Execution }
  | { kind: 'garbage'; what: Execution; choice: number }
  /** Kills a worker process. */
  | { kind: 'restart_worker' }
  /** Puts a worker process to sleep, for longer than a call may take, while another one takes over. */
  | { kind: 'pause_worker' }
  /** Keeps what one of the stores has now, and puts back what was kept last. */
  | { kind: 'back_up' }
  | { kind: 'restore' }
  /** The request that started the run, with its key. */
  | { kind: 'start_again' }
  | { kind: 'pause'; durationMs: number }
  /** Until it waits for approval, or is over. */
  | { kind: 'await_parked' }

/** What the deployment says of it, in the model's own words. */
export type Answer =
  | { kind: 'done' }
  /** There was nothing to do it to. */
  | { kind: 'nothing' }
  /** Counted at once. */
  | { kind: 'counted'; state: string }
  /** Taken, to be looked at later. */
  | { kind: 'recorded' }
  /** Sent on its way, without a promise that it arrives. */
  | { kind: 'sent' }
  | { kind: 'refused'; code: string }
  /** Two starts with one key gave two runs, or something nobody foresaw. */
  | { kind: 'wrong'; message: string }

/** What policy says of the write: free, denied, one of the leads, two of them, one of them within seconds. */
export const GATES = ['one', 'one', 'one', 'two', 'brief', 'free', 'deny'] as const
export type Gate = (typeof GATES)[number]
/** A guarded SQL write; a tool that may be sent twice; a tool that may not. */
export const WRITES = ['sql', 'safe', 'never'] as const
export type Write = (typeof WRITES)[number]

export interface History {
  gate: Gate
  write: Write
  actions: Action[]
}

const EXECUTIONS = ['run', 'writeback', 'approval'] as const
const MOST_ACTIONS = 8

interface Maker {
  weight: number
  make: (chance: Chance) => Action
}

const COMMON: readonly Maker[] = [
  {
    weight: 24,
    make: (chance) => ({
      kind: 'decide',
      verdict: chance.happens(0.75) ? 'approve' : 'reject',
      by: chance.pick(['lena', 'max']),
      through: chance.happens(0.6) ? 'api' : chance.pick(EXECUTIONS),
    }),
  },
  {
    weight: 8,
    make: (chance) => ({
      kind: 'decide_wrongly',
      verdict: chance.pick(['approve', 'reject']),
      by: chance.pick(['carl', 'wanda', 'robot']),
    }),
  },
  { weight: 12, make: (chance) => ({ kind: 'cancel', what: chance.pick(EXECUTIONS) }) },
  {
    weight: 8,
    make: (chance) => ({ kind: 'garbage', what: chance.pick(EXECUTIONS), choice: chance.below(6) }),
  },
  { weight: 1, make: () => ({ kind: 'restart_worker' }) },
  { weight: 1, make: () => ({ kind: 'pause_worker' }) },
  { weight: 10, make: (chance) => ({ kind: 'pause', durationMs: chance.below(600) }) },
  { weight: 6, make: () => ({ kind: 'await_parked' }) },
]

const MAKERS: readonly Maker[] = [
  ...COMMON,
  { weight: 18, make: (chance) => ({ kind: 'reset', share: chance.next() }) },
  { weight: 12, make: (chance) => ({ kind: 'terminate', what: chance.pick(EXECUTIONS) }) },
  { weight: 5, make: () => ({ kind: 'start_again' }) },
]

/**
 * Where a store goes back, too. Whoever starts, resets or terminates a run after that takes from the product what it
 * could have known: nobody can say then what was done before.
 */
const RESTORES: readonly Maker[] = [
  ...COMMON,
  { weight: 8, make: () => ({ kind: 'back_up' }) },
  { weight: 8, make: () => ({ kind: 'restore' }) },
]

export function makeHistory(chance: Chance, { restores = false } = {}): History {
  const makers = restores ? RESTORES : MAKERS
  const actions = Array.from({ length: 1 + chance.below(MOST_ACTIONS) }, () => makeAction(makers, chance))
  // Without it, most of what follows would come before there is anything to do it to.
  if (chance.happens(0.8)) actions.unshift({ kind: 'await_parked' })
  return { gate: chance.pick(GATES), write: chance.pick(WRITES), actions }
}

function makeAction(makers: readonly Maker[], chance: Chance): Action {
  let left = chance.below(makers.reduce((sum, { weight }) => sum + weight, 0))
  for (const { weight, make } of makers) {
    if (left < weight) return make(chance)
    left -= weight
  }
  throw new Error('the weights do not add up')
}

export function textOf({ gate, write, actions }: History): string {
  return [`${write}, gate ${gate}:`, ...actions.map((action) => `  ${JSON.stringify(action)}`)].join('\n')
}
