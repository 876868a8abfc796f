/** How deep values are nested. Walks level by level, for what calls itself ends with the stack at a few thousand levels. */
export function isNestedDeeper(value: unknown, most: number): boolean {
  return nestsBelow(value, most).length > 0
}

/** What is nested deeper becomes null, in the value itself. */
export function cutBelow(value: unknown, most: number): void {
  for (const nest of nestsBelow(value, most - 1)) {
    for (const [name, inner] of Object.entries(nest)) {
      // Not assigned: a field may be named __proto__.
      if (isNest(inner)) Object.defineProperty(nest, name, { value: null })
    }
  }
}

/** Those at one level: 0 is the value itself. */
function nestsBelow(value: unknown, depth: number): object[] {
  let level = [value].filter(isNest)
  for (let passed = 0; passed < depth && level.length > 0; passed++) {
    level = level.flatMap((nest) => Object.values(nest).filter(isNest))
  }
  return level
}

function isNest(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
