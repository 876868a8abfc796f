/** The sources of `code` steps, read by the machine that will run them. Nothing of them is run here. */
import { inSandbox } from '../lib/sandbox/pool.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { allSteps } from '../schemas/step-tree.ts'
import { place, type Document } from './document.ts'

const TIMEOUT_MS = 2_000
/** It may stand in a comment or a text: then the run says that there is none. */
const DEFAULT_EXPORT = /\bexport\s+default\b|\bas\s+default\b/

export async function codePlaces({ path, manifest }: Document<'Automation'>): Promise<ProblemPlace[]> {
  const places: ProblemPlace[] = []
  for (const { at, step } of allSteps(`${path}.spec.steps`, manifest.spec.steps)) {
    if ('code' in step) places.push(...(await sourcePlaces(`${at}.code.source`, step.code.source)))
  }
  return places
}

async function sourcePlaces(path: string, source: string): Promise<ProblemPlace[]> {
  const answer = await inSandbox({ kind: 'check', source, timeoutMs: TIMEOUT_MS })
  if (!answer.ok) {
    const hint = 'Lines and columns are those of the source, from 1.'
    return [place(path, `is not JavaScript that can run here: ${answer.message}`, hint)]
  }
  if (DEFAULT_EXPORT.test(source)) return []
  return [place(path, 'has no default export', 'Write `export default async function (ctx) { … }`.')]
}
