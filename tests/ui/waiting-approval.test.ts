import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, wordsOf } from '../support/browser.ts'
import { eventually, startLateFeeWorld, type LateFeeWorld } from '../support/late-fee-world.ts'

let story: LateFeeWorld
let browser: Browser

beforeAll(async () => {
  story = await startLateFeeWorld(7, { identity: 'asserted' })
  browser = await openBrowser()
})

afterAll(async () => {
  await browser.close()
  await story.close()
})

test('the page of a waiting approval says who must approve, until when, what changes, and how', async () => {
  const { world, facts } = story
  const lead = await world.as('lena@acme.example', ['billing-lead'])
  await story.fire()
  const { approval_id } = await eventually(async () => (await lead.listApprovals({})).items[0])
  const approval = await lead.getApproval({ approval_id })
  const page = await browser.newPage({ viewport: { width: 1400, height: 1400 } })
  const words = await wordsOf(page, approval.temporal_ui_url ?? '', {
    waitFor: 'Waiting for 1 of 1 approvals from',
    picture: 'waiting-approval',
  })
  expect(words).toContain('billing-lead')
  expect(words).toContain(`Expires ${approval.expires_at.slice(0, 10)}`)
  expect(words).toContain('late_fee_cents')
  expect(words).toContain(String(facts.disputed.lateFeeCents))
  expect(words).toContain(approval.digest)
  expect(words).toContain(`countersign approve ${approval.approval_id} --ticket`)
  expect(words).toContain('"by": "you@example.org"')
})

test('the page of the run says in words what it did and what it waits for', async () => {
  const { world } = story
  const { items } = await world.admin.listRuns({})
  const run = await world.admin.getRun({ run_id: items[0]?.run_id ?? '' })
  const page = await browser.newPage({ viewport: { width: 1400, height: 1400 } })
  const metadata = run.temporal_ui_url ?? ''
  const words = await wordsOf(page, metadata, {
    waitFor: 'Waits for',
    picture: 'waiting-run',
  })
  expect(words).toContain('billing.get_invoice')
  expect(words).toContain('completed')
  expect(words).toMatch(/Waits for\s+writeback\//)
  await page.goto(metadata.replace('user-metadata', 'history'), { waitUntil: 'domcontentloaded' })
  await page.getByText('billing.get_invoice').first().waitFor({ timeout: 30_000 })
  await page.screenshot({ path: '.countersign/screenshots/run-history.png', fullPage: true })
})
