/** Places in a document, for people. */

/** `spec.steps[1].if`; `prefix` alone for the value itself. */
export function pathText(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const name = String(part)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`
    return text === '' ? name : `${text}.${name}`
  }, prefix)
}

const PART = /\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g

/** The parts of such a text. */
export function pathParts(path: string): (string | number)[] {
  return [...path.matchAll(PART)].map(([, index, quoted, name = '']) => {
    if (index !== undefined) return Number(index)
    return quoted === undefined ? name : (JSON.parse(quoted) as string)
  })
}
