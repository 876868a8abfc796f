import { createHash, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { listCandidates } from '../../db/queries/candidates.ts'
import {
  findApiKey,
  insertApiKey,
  listApiKeys,
  loadPrincipals,
  revokeApiKey,
  upsertPrincipal,
} from '../../db/queries/principals.ts'
import type { PrincipalKind } from '../../schemas/run.ts'
import { useTestDatabase } from '../support/database.ts'

const db = useTestDatabase()
const newOrganization = (): string => `org-${randomUUID().slice(0, 8)}`

const put = (
  organization: string,
  id: string,
  roles: string[],
  kind: PrincipalKind = 'person',
): Promise<void> => upsertPrincipal(db.database, { organization, id, kind, displayName: `The ${id}`, roles })
const rolesOf = async (organization: string, id: string): Promise<string[] | undefined> =>
  (await loadPrincipals(db.database, { organization, ids: [id] }))[0]?.roles
const disable = (organization: string, id: string) =>
  db.database.query('update principals set disabled_at = now() where organization = $1 and id = $2', [
    organization,
    id,
  ])

describe('a principal', () => {
  it('has the roles given last, and no other', async () => {
    const organization = newOrganization()
    await put(organization, 'alice', ['lead', 'finance', 'finance'])
    expect(await rolesOf(organization, 'alice')).toEqual(['finance', 'lead'])
    await put(organization, 'alice', ['finance', 'audit'])
    expect(await rolesOf(organization, 'alice')).toEqual(['audit', 'finance'])
    await put(organization, 'alice', [])
    expect(await rolesOf(organization, 'alice')).toEqual([])
  })

  it('is updated in place', async () => {
    const organization = newOrganization()
    await put(organization, 'bot', [], 'service')
    await put(organization, 'bot', [], 'agent')
    expect(await loadPrincipals(db.database, { organization, ids: ['bot', 'nobody'] })).toEqual([
      { id: 'bot', kind: 'agent', display_name: 'The bot', roles: [] },
    ])
  })

  it('that is disabled is not loaded, and an update does not bring it back', async () => {
    const organization = newOrganization()
    await put(organization, 'alice', ['finance'])
    await disable(organization, 'alice')
    await put(organization, 'alice', ['finance', 'lead'])
    expect(await rolesOf(organization, 'alice')).toBeUndefined()
  })

  it('belongs to its organization', async () => {
    const [one, other] = [newOrganization(), newOrganization()]
    await put(one, 'alice', ['finance'])
    await put(other, 'alice', ['audit'])
    expect(await rolesOf(one, 'alice')).toEqual(['finance'])
    await put(other, 'alice', [])
    expect(await rolesOf(one, 'alice')).toEqual(['finance'])
  })

  it('is of a kind that we know', async () => {
    await expect(put(newOrganization(), 'x', [], 'robot' as PrincipalKind)).rejects.toMatchObject({
      code: '23514',
    })
  })
})

describe('candidates', () => {
  it('are people who are named or have one of the roles, and nobody else', async () => {
    const [organization, other] = [newOrganization(), newOrganization()]
    await put(organization, 'carol', ['finance', 'lead'])
    await put(organization, 'alice', ['finance'])
    await put(organization, 'bob', [])
    await put(organization, 'dan', ['sales'])
    await put(organization, 'erin', ['finance'])
    await disable(organization, 'erin')
    await put(organization, 'bot', ['finance'], 'agent')
    await put(other, 'zoe', ['finance'])
    const candidates = async (roles: string[], people: string[]): Promise<string[]> =>
      (await listCandidates(db.database, { organization, roles, people })).map(({ id }) => id)
    expect(await candidates(['finance', 'lead'], ['bob', 'zoe', 'bot', 'erin'])).toEqual([
      'alice',
      'bob',
      'carol',
    ])
    expect(await candidates([], ['bob'])).toEqual(['bob'])
    expect(await candidates([], [])).toEqual([])
  })
})

describe('an API key', () => {
  async function makeKey(
    organization: string,
    principal = 'alice',
  ): Promise<{ id: string; keySha256: string }> {
    const id = `key_${randomUUID()}`
    const keySha256 = createHash('sha256').update(id).digest('hex')
    await put(organization, principal, ['finance'])
    await insertApiKey(db.database, { id, organization, principal, keySha256, scopes: ['read', 'approve'] })
    return { id, keySha256 }
  }

  it('is found by its hash, with who it belongs to now', async () => {
    const organization = newOrganization()
    const { id, keySha256 } = await makeKey(organization)
    expect(await findApiKey(db.database, keySha256)).toEqual({
      id,
      organization,
      principal: 'alice',
      kind: 'person',
      roles: ['finance'],
      scopes: ['read', 'approve'],
    })
    expect(await findApiKey(db.database, 'f'.repeat(64))).toBeUndefined()
  })

  it.each([
    ['is revoked', `update api_keys set revoked_at = now() where id = $1`],
    ['has expired', `update api_keys set expires_at = now() where id = $1`],
    [
      'is of somebody who is disabled',
      `update principals set disabled_at = now() where (organization, id) =
       (select organization, principal from api_keys where id = $1)`,
    ],
    [
      'is of somebody who is gone',
      `delete from principals where (organization, id) =
       (select organization, principal from api_keys where id = $1)`,
    ],
  ])('that %s opens nothing', async (_what, statement) => {
    const { id, keySha256 } = await makeKey(newOrganization())
    await db.database.query(statement, [id])
    expect(await findApiKey(db.database, keySha256)).toBeUndefined()
  })

  it('that has not expired yet is good', async () => {
    const { id, keySha256 } = await makeKey(newOrganization())
    await db.database.query(`update api_keys set expires_at = now() + interval '1 minute' where id = $1`, [
      id,
    ])
    expect(await findApiKey(db.database, keySha256)).toMatchObject({ id })
  })

  it('is revoked by its own organization, once and for all', async () => {
    const organization = newOrganization()
    const { id, keySha256 } = await makeKey(organization)
    expect(await revokeApiKey(db.database, { organization: 'rival', id })).toBe(false)
    expect(await findApiKey(db.database, keySha256)).toBeDefined()
    expect(await revokeApiKey(db.database, { organization, id })).toBe(true)
    const [listed] = await listApiKeys(db.database, { organization, limit: 10 })
    expect(listed).toMatchObject({ id, principal: 'alice', revoked_at: expect.any(Date) as Date })
    expect(await revokeApiKey(db.database, { organization, id })).toBe(true)
    expect((await listApiKeys(db.database, { organization, limit: 10 }))[0]?.revoked_at).toEqual(
      listed?.revoked_at,
    )
  })

  it('is kept as a hash, and one hash is one key', async () => {
    const organization = newOrganization()
    const { keySha256 } = await makeKey(organization)
    const again = { id: 'key_again', organization, principal: 'alice', keySha256, scopes: [] }
    await expect(insertApiKey(db.database, again)).rejects.toMatchObject({ code: '23505' })
    const plain = insertApiKey(db.database, { ...again, keySha256: 'csk_plain' })
    await expect(plain).rejects.toMatchObject({ code: '23514' })
  })
})
