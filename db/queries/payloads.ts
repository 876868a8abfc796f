/**
 * Large values, by the SHA-256 of their bytes. `last_used_at` is moved at most once a day, so that a value which is used
 * all the time costs no writes.
 */
import type { Queryable } from '../database.ts'

/** Keeps the bytes, or notes that they are used. Whoever has the right bytes also mends a row that was damaged. */
export async function keepPayload(
  db: Queryable,
  params: { sha256: string; organization: string; bytes: Uint8Array },
): Promise<void> {
  await db.query(
    `insert into payloads as p (sha256, organization, bytes) values ($1, $2, $3)
     on conflict (sha256) do update set bytes = excluded.bytes, last_used_at = app_now()
     where p.last_used_at < app_now() - interval '1 day' or p.bytes is distinct from excluded.bytes`,
    [params.sha256, params.organization, params.bytes],
  )
}

/** Also notes that they are used. */
export async function findPayload(db: Queryable, sha256: string): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ bytes: Buffer }>(
    `with used as (
       update payloads set last_used_at = app_now()
       where sha256 = $1 and last_used_at < app_now() - interval '1 day')
     select bytes from payloads where sha256 = $1`,
    [sha256],
  )
  return rows[0]?.bytes
}

/** The longest unused first. Gives how many. */
export async function deletePayloads(
  db: Queryable,
  params: { usedBefore: Date; limit: number },
): Promise<number> {
  const { rowCount } = await db.query(
    `delete from payloads where last_used_at < $1 and sha256 in (
       select sha256 from payloads where last_used_at < $1 order by last_used_at limit $2 for update skip locked)`,
    [params.usedBefore, params.limit],
  )
  return rowCount ?? 0
}
