/** Values on their way to us. JSON.stringify would write null for a number that JSON has not, and nobody would hear of it. */

/** Throws a TypeError that names the place. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (key: string, item: unknown) => {
    if (typeof item !== 'number' || Number.isFinite(item)) return item
    throw new TypeError(`${key === '' ? 'the value' : `"${key}"`} is ${item}, which JSON has not`)
  })
}
