/**
 * Our own code as files that are run or bundled instead of imported: TypeScript in a clone (through tsx), JavaScript in
 * a build. Only this file and cli/bin.mjs know of the difference. Files that are not code are named relative to the
 * module that reads them; the build keeps them there.
 */
import { fileURLToPath } from 'node:url'

export const isSource = import.meta.url.endsWith('.ts')

/** The root of the clone, or `dist`. */
export const codeRoot = new URL('../', import.meta.url)

/** `moduleFile('workers/main')`: its path. */
export function moduleFile(name: string): string {
  return fileURLToPath(new URL(`${name}.${isSource ? 'ts' : 'js'}`, codeRoot))
}
