/** `npm run docs`: writes the pages of docs/reference that are made from the code. */
import { writeFileSync } from 'node:fs'
import { GENERATED_PAGES } from './docs/pages.ts'

for (const [file, render] of Object.entries(GENERATED_PAGES)) {
  writeFileSync(new URL(`../docs/reference/${file}`, import.meta.url), render())
  console.log(`docs/reference/${file}`)
}
