import { describe, expect, test } from 'vitest'
import { fillSecrets, fillSecretsInUrl, secretNames } from '../../lib/secret-references.ts'

const SECRETS: Record<string, string> = {
  PW: 'a@hunter2/c',
  URL: 'postgres://app:p@db/shop',
  REF: '${secret:PW}',
}
const resolve = (name: string): string => SECRETS[name] ?? ''

describe('references to secrets', () => {
  test('are filled in one pass, and named', () => {
    expect(fillSecrets('Bearer ${secret:REF}', resolve)).toBe('Bearer ${secret:PW}')
    expect(secretNames('${secret:A} and ${secret:B}')).toEqual(['A', 'B'])
  })

  test('as a part of an address never become its host, and come out as they are', () => {
    const url = new URL(fillSecretsInUrl('postgres://app:${secret:PW}@db/shop', resolve))
    expect([url.hostname, url.pathname, decodeURIComponent(url.password)]).toEqual([
      'db',
      '/shop',
      SECRETS['PW'],
    ])
  })

  test('that are the whole address are left as they are', () => {
    expect(fillSecretsInUrl('${secret:URL}', resolve)).toBe(SECRETS['URL'])
  })
})
