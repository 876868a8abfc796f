/**
 * Places of which one owner never takes all, and several neither: beside others an owner has at most half of what they
 * leave, so that there is room for whoever comes next. Nobody waits for a place: it is there, or it is refused.
 */
export interface Places {
  /** Gives the place back, once. Null: the owner has its share. */
  take: (owner: string) => (() => void) | null
}

/** `perOwner`: the most of one, also where it is alone. */
export function createPlaces({ total, perOwner }: { total: number; perOwner: number }): Places {
  const taken = new Map<string, number>()
  let allTaken = 0
  const giveBack = (owner: string): void => {
    const left = (taken.get(owner) ?? 1) - 1
    if (left > 0) taken.set(owner, left)
    else taken.delete(owner)
    allTaken--
  }
  return {
    take(owner) {
      const own = taken.get(owner) ?? 0
      if (own >= shareBeside(allTaken - own, { total, perOwner })) return null
      taken.set(owner, own + 1)
      allTaken++
      let isTaken = true
      return () => {
        if (isTaken) giveBack(owner)
        isTaken = false
      }
    },
  }
}

/** `others`: the places that other owners have. Whoever has none may take one as long as there are any. */
function shareBeside(others: number, { total, perOwner }: { total: number; perOwner: number }): number {
  if (others === 0) return perOwner
  const left = Math.max(0, total - others)
  return Math.min(perOwner, Math.ceil(left / 2))
}
