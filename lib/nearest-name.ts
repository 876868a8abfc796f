/** The name somebody probably meant: for messages about names that do not exist. */

const MAX_NAME_LENGTH = 60
/** Values of others may have a hundred thousand names. */
const MAX_CANDIDATES = 500

/** Undefined when nothing is near enough: at most two edits, and at most a third of the name (its case never counts). */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return undefined
  let best: string | undefined
  let bestDistance = Math.min(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates.slice(0, MAX_CANDIDATES)) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours. */
function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const current = [i]
    for (let j = 1; j <= right.length; j++) {
      const replaced = at(previous, j - 1) + (left[i - 1] === right[j - 1] ? 0 : 1)
      const swapped =
        i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
          ? at(beforePrevious, j - 2) + 1
          : Number.POSITIVE_INFINITY
      current.push(Math.min(replaced, at(previous, j) + 1, at(current, j - 1) + 1, swapped))
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, right.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
