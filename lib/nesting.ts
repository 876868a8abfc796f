/** How deep values are nested. Walks level by level, for what calls itself ends with the stack at a few thousand levels. */
export function isNestedDeeper(value: unknown, most: number): boolean {
  let level = [value].filter(isNest)
  for (let depth = 0; depth < most && level.length > 0; depth++) {
    level = level.flatMap((nest) => Object.values(nest).filter(isNest))
  }
  return level.length > 0
}

function isNest(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
