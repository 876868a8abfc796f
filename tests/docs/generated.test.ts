/** The pages of docs/reference that are made from the code say what the code says. `npm run docs` writes them. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { GENERATED_PAGES } from '../../scripts/docs/pages.ts'

const FOLDER = fileURLToPath(new URL('../../docs/reference/', import.meta.url))

describe('a reference page', () => {
  it.each(Object.entries(GENERATED_PAGES))(
    '%s is as the code says (npm run docs writes it)',
    async (file, render) => {
      await expect(render()).toMatchFileSnapshot(`${FOLDER}${file}`)
    },
  )

  it('is made from the code, whichever it is', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(GENERATED_PAGES).sort())
  })

  it('gives no field without a meaning where its name does not say it', () => {
    const page = GENERATED_PAGES['manifests.md']?.() ?? ''
    const fields = [...page.matchAll(/^\| `([\w.<>[\]]+)` \|.*\| (.*?) \|$/gm)]
    expect(fields.length).toBeGreaterThan(80)
    const silent = fields.filter(([, , meaning]) => meaning === '').map(([, field]) => field)
    expect(silent.length).toBeLessThan(fields.length / 2)
  })
})
