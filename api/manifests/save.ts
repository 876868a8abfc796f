/** Saves checked manifests as revisions: all of those given, or none. The same content again is no new revision. */
import { inTransaction, type Database, type Queryable } from '../../db/database.ts'
import { findHead, insertRevision, lockHead } from '../../db/queries/manifests.ts'
import { digestOf } from '../../lib/canonical-json.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Manifest, ManifestKind } from '../../schemas/manifests.ts'

export interface Savable {
  manifest: Manifest
  pins: Record<string, string>
}

export interface SaveContext {
  organization: string
  author: string
  /** Only with a single manifest. */
  expectedRevision: number | undefined
}

export interface SavedManifest {
  kind: ManifestKind
  name: string
  revision: number
  status: 'changed' | 'unchanged'
}

export function saveManifests(
  database: Database,
  context: SaveContext,
  items: readonly Savable[],
): Promise<SavedManifest[]> {
  // Heads are locked in a fixed order, so that two requests about the same manifests wait instead of deadlocking.
  const ordered = items.toSorted((a, b) => (idOf(a.manifest) < idOf(b.manifest) ? -1 : 1))
  return inTransaction(database, async (tx) => {
    const saved: SavedManifest[] = []
    for (const item of ordered) saved.push(await saveOne(tx, context, item))
    return saved
  })
}

async function saveOne(
  tx: Queryable,
  { organization, author, expectedRevision }: SaveContext,
  { manifest, pins }: Savable,
): Promise<SavedManifest> {
  const { kind, name } = manifest
  const { head: number, last } = await lockHead(tx, { organization, kind, name })
  const head = await findHead(tx, { organization, kind, name })
  const contentSha256 = digestOf(manifest)
  if (head?.content_sha256 === contentSha256 && digestOf(head.pins) === digestOf(pins)) {
    return { kind, name, revision: number, status: 'unchanged' }
  }
  if (expectedRevision !== undefined && expectedRevision !== number) {
    throw new CodedError(
      'REVISION_CONFLICT',
      `${kind} ${name} is at revision ${number}, not ${expectedRevision}.`,
    )
  }
  const revision = last + 1
  await insertRevision(tx, { organization, number: revision, body: manifest, contentSha256, pins, author })
  return { kind, name, revision, status: 'changed' }
}

function idOf({ kind, name }: Manifest): string {
  return `${kind}/${name}`
}
