/** The matrix: what is struck, with which blow, and how far a write has come at that moment. */

/**
 * `kill`: SIGKILL, and started again. `pause`: SIGSTOP for longer than a call may take, then SIGCONT; for a worker, a
 * second one takes over meanwhile. `failover`: the primary is killed, and a standby that lacks its last transactions is
 * promoted. `restore`: the data is replaced by what it was when the write began to wait.
 */
export const BLOWS = ['kill', 'pause', 'failover', 'restore'] as const
export type Blow = (typeof BLOWS)[number]

export const COMPONENTS = ['api', 'worker', 'temporal', 'postgres', 'target', 'tools'] as const
export type Component = (typeof COMPONENTS)[number]

/**
 * `intent`: nothing is claimed yet. `call`: claimed, and the first byte of the write is held. `answer`: the write has
 * left, and its answer is swallowed. `record`: answered, and the closing transaction is held. `waiting`: for people.
 * `resume`: somebody has just decided. `over`: the run has ended.
 */
export const POSITIONS = ['waiting', 'resume', 'intent', 'call', 'answer', 'record', 'over'] as const
export type Position = (typeof POSITIONS)[number]

export const POSITION_TEXTS: Record<Position, string> = {
  waiting: 'waiting for approval',
  resume: 'decision → resume',
  intent: 'before intent',
  call: 'intent → call',
  answer: 'call → answer',
  record: 'answer → record',
  over: 'after the end',
}

/**
 * A guarded SQL write; a tool that may be sent again, on a server that keeps keys; a tool that may not. Over a pipe
 * instead of HTTP: a tool that may not (`stdio`), and one whose effect another tool shows (`check`).
 */
export const VARIANTS = ['sql', 'safe', 'never', 'stdio', 'check'] as const
export type Variant = (typeof VARIANTS)[number]

export interface Cell {
  blow: Blow
  component: Component
  position: Position
}

/** Why there is no such cell; null if there is one. */
export function reasonAgainst({ blow, component, position }: Cell): string | null {
  if (blow === 'failover' && component !== 'postgres') return 'only PostgreSQL has a standby'
  if (blow === 'restore' && component !== 'postgres' && component !== 'temporal')
    return 'it keeps nothing of ours that could be older'
  if (position === 'over' && (blow === 'kill' || blow === 'pause'))
    return 'nothing of the write is under way any more, and nothing of it is lost'
  return null
}

export const CELLS: readonly Cell[] = BLOWS.flatMap((blow) =>
  COMPONENTS.flatMap((component) => POSITIONS.map((position) => ({ blow, component, position }))),
).filter((cell) => reasonAgainst(cell) === null)

/** Something that keeps what is ours then knows less than it did. */
export const goesBack = ({ blow }: Pick<Cell, 'blow'>): boolean => blow === 'failover' || blow === 'restore'

export function cellName({ blow, component, position }: Cell): string {
  return `${blow}:${component}:${position}`
}

/** What can go back in time, or sleep, is looked at first with what must not be sent twice. */
export function variantFor(cell: Cell, round: number): Variant {
  const variants = variantsOf(cell)
  return variants[round % variants.length] ?? 'sql'
}

/** What is struck must have a part in the write. */
function variantsOf({ blow, component, position }: Cell): readonly Variant[] {
  if (component === 'target') return ['sql']
  if (component === 'tools') return ['safe', 'never']
  if (blow === 'failover' || blow === 'restore') return ['never', 'sql', 'safe']
  if (component !== 'worker') return ['sql', 'safe', 'never']
  // What a pipe has taken cannot be held from outside, nor can the answer in it.
  if (position === 'call' || position === 'answer') return ['sql', 'safe', 'never']
  return blow === 'pause' ? ['stdio', 'check', 'sql', 'never', 'safe'] : VARIANTS
}

/** `pause:worker:call`, `worker:call`, `failover`, `*:call`: each word is one of the cell's. Several with commas. */
export function cellsMatching(patterns: string): Cell[] {
  const wished = patterns.split(',').map((pattern) => pattern.split(':').filter((word) => word !== '*'))
  return CELLS.filter(({ blow, component, position }) => {
    const own: string[] = [blow, component, position]
    return wished.some((words) => words.every((word) => own.includes(word)))
  })
}
