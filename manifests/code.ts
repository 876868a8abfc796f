/** The sources of `code` steps, read by the machine that will run them. Nothing of them is run here. */
import { inSandbox } from '../lib/sandbox/pool.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { allSteps } from '../schemas/step-tree.ts'
import { place, type Document } from './document.ts'

const TIMEOUT_MS = 2_000
const SUCH = 'Write `export default async function (ctx) { … }`.'
/** What the engine says of a module without one. */
const NO_DEFAULT_EXPORT = /export 'default'/
/** The whole of a value that nobody can call. An object goes to the end of the source. */
const NO_FUNCTION =
  /^\s*(?:(?:-?\d[\w.]*|"[^"\n]*"|'[^'\n]*'|true|false|null|undefined)\s*(?:;|\n|$)|class\b|\{[^]*\}\s*;?\s*$)/

export async function codePlaces(
  { path, manifest }: Document<'Automation'>,
  organization = '',
): Promise<ProblemPlace[]> {
  const places: ProblemPlace[] = []
  for (const { at, step } of allSteps(`${path}.spec.steps`, manifest.spec.steps)) {
    if ('code' in step)
      places.push(...(await sourcePlaces(`${at}.code.source`, step.code.source, organization)))
  }
  return places
}

async function sourcePlaces(path: string, source: string, organization: string): Promise<ProblemPlace[]> {
  const answer = await inSandbox({ kind: 'check', source, timeoutMs: TIMEOUT_MS }, { organization })
  if (!answer.ok && NO_DEFAULT_EXPORT.test(answer.message)) {
    return [place('code', path, 'has no default export', SUCH)]
  }
  if (!answer.ok) {
    const hint = 'Lines and columns are those of the source, from 1.'
    return [place('code', path, `is not JavaScript that can run here: ${answer.message}`, hint)]
  }
  return exportsNoFunction(source) ? [place('code', path, 'its default export is not a function', SUCH)] : []
}

/** Certain only where the words stand once: there is a default export, so they are not in a comment or a text. */
function exportsNoFunction(source: string): boolean {
  const [, exported, ...others] = source.split(/\bexport\s+default\b/)
  if (exported === undefined || others.length > 0 || /\bas\s+(?:default|["'])/.test(source)) return false
  return NO_FUNCTION.test(exported)
}
