/**
 * Applies the manifests of an example at each start, and leaves alone what somebody has edited meanwhile. Which revision
 * was ours is noted: a manifest at another one is theirs. Of theirs one thing is set, the address of the billing server,
 * where it is still the one of the start before, at which nothing listens any more.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { Manifest } from '../../schemas/manifests.ts'
import { ApiError, type Client } from '../../sdk/client/index.ts'
import type { Log } from '../../scripts/stack/waiting.ts'

const NotesSchema = z.object({
  billingUrl: z.string(),
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
  /** Where the revisions are noted. */
  file: string
  log: Log
}

export async function applyExample(client: Client, example: ExampleManifests): Promise<void> {
  const { organization, manifests, billingUrl, file, log } = example
  const all = FileSchema.parse(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})
  const noted = Object.hasOwn(all, organization) ? all[organization] : undefined
  const wanted: Manifest[] = []
  const kept: string[] = []
  for (const manifest of manifests) {
    const { apply, edited } = await decide(client, manifest, { noted, billingUrl })
    if (apply) wanted.push(apply)
    if (edited) kept.push(`${manifest.kind} ${manifest.name}`)
  }
  if (kept.length > 0) log(`left as you have edited it: ${kept.join(', ')}`)
  const { results } =
    wanted.length === 0 ? { results: [] } : await client.applyManifests({ manifests: wanted })
  const ours = results.filter(({ kind, name }) => !kept.includes(`${kind} ${name}`))
  const revisions = Object.fromEntries(ours.map(({ kind, name, revision }) => [`${kind}/${name}`, revision]))
  const notes: Notes = { billingUrl, revisions: { ...noted?.revisions, ...revisions } }
  writeFileSync(file, `${JSON.stringify({ ...all, [organization]: notes }, null, 2)}\n`, { mode: 0o600 })
}

async function decide(
  client: Client,
  manifest: Manifest,
  { noted, billingUrl }: { noted: Notes | undefined; billingUrl: string },
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
  const moved = movedTo(head.manifest, { from: noted?.billingUrl, to: billingUrl })
  return moved === undefined ? { edited: true } : { edited: true, apply: moved }
}

/** Undefined for what does not lead to the billing server of before, and where it has not moved. */
function movedTo(
  manifest: Manifest,
  { from, to }: { from: string | undefined; to: string },
): Manifest | undefined {
  if (manifest.kind !== 'Connection' || manifest.spec.type !== 'mcp') return undefined
  const { spec } = manifest
  if (spec.transport !== 'http' || spec.url !== from || from === to) return undefined
  return { ...manifest, spec: { ...spec, url: to } }
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
