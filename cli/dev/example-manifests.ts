/**
 * Applies the manifests of an example at each start, and leaves alone what somebody has edited meanwhile. Which revision
 * was ours is noted: a manifest at another one is theirs. Of theirs two things are set, the address of the billing server
 * and the folder of the notes, where they are still those of the start before: nothing listens there any more, or the
 * data folder was moved.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { Manifest } from '../../schemas/manifests.ts'
import { ApiError, type Client } from '../../sdk/client/index.ts'
import type { Log } from '../../scripts/stack/waiting.ts'

const NotesSchema = z.object({
  billingUrl: z.string(),
  /** An earlier release has not noted it. */
  notesFolder: z.string().optional(),
  /** `Kind/name` to the revision that we have made. */
  revisions: z.record(z.string(), z.number()),
})
/** By organization. */
const FileSchema = z.record(z.string(), NotesSchema)

type Notes = z.infer<typeof NotesSchema>

export interface ExampleManifests {
  organization: string
  manifests: readonly Manifest[]
  billingUrl: string
  notesFolder: string
  /** Where the revisions are noted. */
  file: string
  log: Log
}

export async function applyExample(client: Client, example: ExampleManifests): Promise<void> {
  const { organization, manifests, billingUrl, notesFolder, file, log } = example
  const all = FileSchema.parse(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})
  const noted = Object.hasOwn(all, organization) ? all[organization] : undefined
  const moves = [
    { from: noted?.billingUrl, to: billingUrl },
    { from: noted?.notesFolder, to: notesFolder },
  ]
  const wanted: Manifest[] = []
  const kept: string[] = []
  for (const manifest of manifests) {
    const { apply, edited } = await decide(client, manifest, { noted, moves })
    if (apply) wanted.push(apply)
    if (edited) kept.push(`${manifest.kind} ${manifest.name}`)
  }
  if (kept.length > 0) log(`left as you have edited it: ${kept.join(', ')}`)
  const { results } =
    wanted.length === 0 ? { results: [] } : await client.applyManifests({ manifests: wanted })
  const ours = results.filter(({ kind, name }) => !kept.includes(`${kind} ${name}`))
  const revisions = Object.fromEntries(ours.map(({ kind, name, revision }) => [`${kind}/${name}`, revision]))
  const notes: Notes = { billingUrl, notesFolder, revisions: { ...noted?.revisions, ...revisions } }
  writeFileSync(file, `${JSON.stringify({ ...all, [organization]: notes }, null, 2)}\n`, { mode: 0o600 })
}

async function decide(
  client: Client,
  manifest: Manifest,
  { noted, moves }: { noted: Notes | undefined; moves: readonly Move[] },
): Promise<{ apply?: Manifest; edited?: boolean }> {
  const known = noted?.revisions[`${manifest.kind}/${manifest.name}`]
  const head = await manifestAt(client, manifest)
  if (head === undefined) {
    // What we have made is there, and not in use: somebody has taken it out of use. In a new database it is not there.
    const isRemoved = known !== undefined && (await manifestAt(client, manifest, known)) !== undefined
    return isRemoved ? { edited: true } : { apply: manifest }
  }
  // An earlier release noted nothing: what was never edited is at its first revision.
  if (head.revision === (known ?? 1)) return { apply: manifest }
  const moved = movedTo(head.manifest, moves)
  return moved === undefined ? { edited: true } : { edited: true, apply: moved }
}

interface Move {
  from: string | undefined
  to: string
}

/** Undefined for what names none of it, and where nothing has moved. Only whole texts are what we have once written. */
function movedTo(manifest: Manifest, moves: readonly Move[]): Manifest | undefined {
  const before = JSON.stringify(manifest)
  const after = moves.reduce(
    (text, { from, to }) =>
      from === undefined ? text : text.replaceAll(JSON.stringify(from), () => JSON.stringify(to)),
    before,
  )
  return after === before ? undefined : (JSON.parse(after) as Manifest)
}

/** Undefined if there is none; in use unless a revision is named. */
async function manifestAt(client: Client, { kind, name }: Manifest, revision?: number) {
  try {
    return await client.getManifest({ kind, name, ...(revision === undefined ? {} : { revision }) })
  } catch (error) {
    if (error instanceof ApiError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
