/**
 * What is kept for its next use, such as connections and programs, and who of it has to go when there is no room for
 * more. What is in use never goes. An owner at its share lets its own go; where all together are at theirs, whoever has
 * most does, so that nobody with few loses them to somebody with many. Of one owner what was not used for longest goes.
 */
import { CodedError } from '../schemas/errors.ts'

export interface Kept {
  readonly owner: string
  /** How many use it now. */
  readonly users: number
  /** How much of the room it takes. */
  readonly size: number
}

export interface Room {
  total: number
  perOwner: number
}

/** `kept` in the order of last use. Null: there is room. Throws ORGANIZATION_BUSY if all that could go is in use. */
export function whoHasToGo<One extends Kept>(
  kept: Iterable<One>,
  { owner, size }: Pick<Kept, 'owner' | 'size'>,
  room: Room,
): One | null {
  const all = [...kept]
  const sizes = new Map([[owner, size]])
  for (const one of all) sizes.set(one.owner, sizeOf(sizes, one.owner) + one.size)
  const isOverShare = sizeOf(sizes, owner) > room.perOwner
  const total = [...sizes.values()].reduce((sum, each) => sum + each, 0)
  if (!isOverShare && total <= room.total) return null
  const idle = all.filter((one) => one.users === 0 && (!isOverShare || one.owner === owner))
  const most = Math.max(...idle.map((one) => sizeOf(sizes, one.owner)))
  const first = idle.find((one) => sizeOf(sizes, one.owner) === most)
  if (first) return first
  throw new CodedError('ORGANIZATION_BUSY', `all that this worker keeps open for ${owner} is in use`)
}

function sizeOf(sizes: ReadonlyMap<string, number>, owner: string): number {
  return sizes.get(owner) ?? 0
}

/**
 * Of databases and of programs, in one worker. It makes 100 calls at a time unless its operator says otherwise, so that
 * what is in use finds room.
 */
export const MOST_KEPT: Room = { total: 100, perOwner: 20 }
