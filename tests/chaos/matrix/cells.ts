/** The matrix: what dies, and how far a write has come when it dies. */

export const COMPONENTS = ['api', 'worker', 'temporal', 'postgres', 'target', 'tools'] as const
export type Component = (typeof COMPONENTS)[number]

/**
 * `intent`: nothing is claimed yet. `call`: claimed, and the first byte of the write is held. `answer`: the write has
 * left, and its answer is swallowed. `record`: answered, and the closing transaction is held. `waiting`: for people.
 * `resume`: somebody has just decided.
 */
export const POSITIONS = ['waiting', 'resume', 'intent', 'call', 'answer', 'record'] as const
export type Position = (typeof POSITIONS)[number]

export const POSITION_TEXTS: Record<Position, string> = {
  waiting: 'waiting for approval',
  resume: 'decision → resume',
  intent: 'before intent',
  call: 'intent → call',
  answer: 'call → answer',
  record: 'answer → record',
}

/** A guarded SQL write; a tool that may be sent again, on a server that keeps keys; a tool that may not. */
export const VARIANTS = ['sql', 'safe', 'never'] as const
export type Variant = (typeof VARIANTS)[number]

export interface Cell {
  component: Component
  position: Position
}

export const CELLS: readonly Cell[] = COMPONENTS.flatMap((component) =>
  POSITIONS.map((position) => ({ component, position })),
)

export function cellName({ component, position }: Cell): string {
  return `${component}:${position}`
}

/** What is killed must have a part in the write. */
export function variantFor({ component }: Cell, round: number): Variant {
  if (component === 'target') return 'sql'
  if (component === 'tools') return round % 2 === 0 ? 'safe' : 'never'
  return VARIANTS[round % VARIANTS.length] ?? 'sql'
}

/** `worker:call`, `worker:*`, `*:call`. */
export function cellsMatching(pattern: string): Cell[] {
  const [component, position] = pattern.split(':')
  return CELLS.filter(
    (cell) =>
      (component === '*' || component === cell.component) &&
      (position === undefined || position === '*' || position === cell.position),
  )
}
