/** Manifests and their revisions. A revision never changes once it is written. */
import type { AutomationSpec, Manifest, ManifestKind } from '../../schemas/manifests.ts'
import { requireRow, type Queryable } from '../database.ts'
import { cutPage, cutRows, type CutRows, type Marked } from './cut-rows.ts'

export interface RevisionRow {
  kind: ManifestKind
  name: string
  number: number
  version: string
  content_sha256: string
  body: Manifest
  pins: Record<string, string>
  author: string
  created_at: Date
}

/** What a list shows of an automation. */
export interface AutomationListRow extends Pick<RevisionRow, 'name' | 'number'> {
  spec: Pick<AutomationSpec, 'triggers'> & { description?: string | null | undefined }
}

export type RevisionSummaryRow = Omit<RevisionRow, 'body' | 'pins'>

/**
 * Takes the manifest's row for this transaction and gives its head, 0 if it is new or was removed, and the number of its
 * last revision, which is another one only then.
 */
export async function lockHead(
  tx: Queryable,
  params: { organization: string; kind: ManifestKind; name: string },
): Promise<{ head: number; last: number }> {
  const named = [params.organization, params.kind, params.name]
  const { rows } = await tx.query<{ head: number }>(
    `insert into manifests (organization, kind, name, head) values ($1, $2, $3, 0)
     on conflict (organization, kind, name) do update set updated_at = app_now()
     returning head`,
    named,
  )
  const { head } = requireRow(rows, 'manifest head')
  if (head > 0) return { head, last: head }
  // A statement of its own: the one above may have waited for whoever made the last revision, and has not seen it.
  const found = await tx.query<{ last: number }>(
    `select coalesce(max(number), 0) as last from revisions where organization = $1 and kind = $2 and name = $3`,
    named,
  )
  return { head, last: requireRow(found.rows, 'last revision').last }
}

/** Its revisions stay. Only after `lockHead` in the same transaction. */
export async function removeHead(
  tx: Queryable,
  params: { organization: string; kind: ManifestKind; name: string },
): Promise<void> {
  await tx.query(
    `with gone as (delete from pauses where $2 = 'Automation' and organization = $1 and automation = $3)
     update manifests set head = 0, updated_at = app_now() where organization = $1 and kind = $2 and name = $3`,
    [params.organization, params.kind, params.name],
  )
}

/** Only after `lockHead` in the same transaction: the number is that of the last revision, plus 1. */
export async function insertRevision(
  tx: Queryable,
  params: {
    organization: string
    number: number
    body: Manifest
    contentSha256: string
    pins: Record<string, string>
    author: string
  },
): Promise<void> {
  const { organization, number, body, contentSha256, pins, author } = params
  await tx.query(
    `with head as (
       update manifests set head = $4, updated_at = app_now() where organization = $1 and kind = $2 and name = $3)
     insert into revisions (organization, kind, name, number, version, content_sha256, body, pins, author)
     values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9)`,
    [
      organization,
      body.kind,
      body.name,
      number,
      body.version,
      contentSha256,
      JSON.stringify(body),
      JSON.stringify(pins),
      author,
    ],
  )
}

const SUMMARY_COLUMNS = 'r.kind, r.name, r.number, r.version, r.content_sha256, r.author, r.created_at'
const REVISION_COLUMNS = `${SUMMARY_COLUMNS}, r.body, r.pins`
const HEADS = `manifests m join revisions r on r.organization = m.organization and r.kind = m.kind and r.name = m.name
  and r.number = m.head`

export async function findHead(
  db: Queryable,
  params: { organization: string; kind: ManifestKind; name: string },
): Promise<RevisionRow | undefined> {
  const { rows } = await db.query<RevisionRow>(
    `select ${REVISION_COLUMNS} from ${HEADS} where m.organization = $1 and m.kind = $2 and m.name = $3`,
    [params.organization, params.kind, params.name],
  )
  return rows[0]
}

/** All of them, whole, by kind and name. */
export async function listHeads(
  db: Queryable,
  { organization }: { organization: string },
): Promise<RevisionRow[]> {
  const { rows } = await db.query<RevisionRow>(
    `select ${REVISION_COLUMNS} from ${HEADS} where m.organization = $1 order by m.kind, m.name`,
    [organization],
  )
  return rows
}

/** A page by kind and name, without what they say: that is up to 1 MB each. */
export async function listHeadSummaries(
  db: Queryable,
  params: {
    organization: string
    kind?: ManifestKind | undefined
    after?: { kind: string; name: string } | undefined
    limit: number
  },
): Promise<RevisionSummaryRow[]> {
  const { rows } = await db.query<RevisionSummaryRow>(
    `select ${SUMMARY_COLUMNS} from ${HEADS}
     where m.organization = $1 and ($2::text is null or m.kind = $2)
       and ($3::text is null or (m.kind, m.name) > ($3::text, $4::text))
     order by m.kind, m.name limit $5`,
    [
      params.organization,
      params.kind ?? null,
      params.after?.kind ?? null,
      params.after?.name ?? null,
      params.limit,
    ],
  )
  return rows
}

/** Automations at their head, by name. */
export async function listAutomations(
  db: Queryable,
  params: {
    organization: string
    paused?: boolean | undefined
    connection?: string | undefined
    after?: string | undefined
    limit: number
  },
): Promise<CutRows<AutomationListRow>> {
  const listens = params.connection && { spec: { triggers: [{ connection: params.connection }] } }
  const page = `select r.name, r.number, jsonb_build_object('description', r.body #> '{spec,description}',
      'triggers', r.body #> '{spec,triggers}') as spec from ${HEADS}
    where m.organization = $2 and m.kind = 'Automation' and ($3::text is null or m.name > $3)
      and ($4::jsonb is null or r.body @> $4)
      and ($5::boolean is null or $5 = exists (select from pauses p
        where p.organization = m.organization and p.automation = m.name and p.trigger = ''))`
  const { rows } = await db.query<Marked<AutomationListRow>>(cutPage(page, 'name'), [
    params.limit,
    params.organization,
    params.after ?? null,
    listens ? JSON.stringify(listens) : null,
    params.paused ?? null,
  ])
  return cutRows(rows)
}

/** Automations, at their head, with a trigger for this event of this connection. */
export async function listAutomationsForEvent(
  db: Queryable,
  params: { organization: string; connection: string; event: string },
): Promise<RevisionRow[]> {
  const wanted = {
    spec: { triggers: [{ type: 'event', connection: params.connection, event: params.event }] },
  }
  const { rows } = await db.query<RevisionRow>(
    `select ${REVISION_COLUMNS} from ${HEADS}
     where m.organization = $1 and m.kind = 'Automation' and r.body @> $2::jsonb order by m.name`,
    [params.organization, JSON.stringify(wanted)],
  )
  return rows
}

/** One revision, whatever the head is now. */
export async function findRevision(
  db: Queryable,
  params: { organization: string; kind: ManifestKind; name: string; number: number },
): Promise<RevisionRow | undefined> {
  const { rows } = await db.query<RevisionRow>(
    `select ${REVISION_COLUMNS} from revisions r
     where r.organization = $1 and r.kind = $2 and r.name = $3 and r.number = $4`,
    [params.organization, params.kind, params.name, params.number],
  )
  return rows[0]
}

/** Newest first, without what they say. */
export async function listRevisions(
  db: Queryable,
  params: {
    organization: string
    kind: ManifestKind
    name: string
    before?: number | undefined
    limit: number
  },
): Promise<RevisionSummaryRow[]> {
  const { rows } = await db.query<RevisionSummaryRow>(
    `select ${SUMMARY_COLUMNS} from revisions r
     where r.organization = $1 and r.kind = $2 and r.name = $3 and ($4::integer is null or r.number < $4)
     order by r.number desc limit $5`,
    [params.organization, params.kind, params.name, params.before ?? null, params.limit],
  )
  return rows
}
