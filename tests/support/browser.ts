/** Headless Chromium, as the machine has it: CHROMIUM_PATH, or a usual place. Nothing is downloaded. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'

const USUAL_PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Chromium's own errands would be refused by a closed network, many at a time. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function findChromium(): string | undefined {
  return [process.env['CHROMIUM_PATH'] ?? '', ...USUAL_PLACES].find((path) => path !== '' && existsSync(path))
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium()
  if (!executablePath)
    throw new Error('no Chromium found: install the package chromium, or set CHROMIUM_PATH')
  return chromium.launch({ executablePath, args: QUIET })
}

/** The words on the page, frames included, once they contain what is waited for; a picture of it is kept. */
export async function wordsOf(
  page: Page,
  url: string,
  options: { waitFor: string; picture: string },
): Promise<string> {
  await page.goto(url, { waitUntil: 'domcontentloaded' })
  const folder = join(process.cwd(), '.countersign', 'screenshots')
  mkdirSync(folder, { recursive: true })
  const deadlineMs = Date.now() + 30_000
  let words = ''
  while (!words.includes(options.waitFor) && Date.now() < deadlineMs) {
    await page.waitForTimeout(250)
    words = await wordsOfFrames(page)
  }
  await page.screenshot({ path: join(folder, `${options.picture}.png`), fullPage: true })
  if (!words.includes(options.waitFor))
    throw new Error(`${url} does not say "${options.waitFor}" but:\n${words}`)
  return words
}

/** The UI shows details in frames of their own, and replaces them while it loads. */
async function wordsOfFrames(page: Page): Promise<string> {
  const read = page.frames().map((frame) => frame.locator('body').innerText({ timeout: 2_000 }))
  const words = await Promise.allSettled(read)
  return words.map((frame) => (frame.status === 'fulfilled' ? frame.value : '')).join('\n')
}
