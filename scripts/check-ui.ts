/**
 * `npm run check:ui`: opens the Temporal UI in headless Chromium and asserts what it shows of us. Installs Chromium with
 * apt where it is missing and may do so; elsewhere says what to install.
 */
import { spawnSync } from 'node:child_process'
import { findChromium } from '../tests/support/browser.ts'

function run(command: string, args: string[]): boolean {
  return (
    spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
      .status === 0
  )
}

function installChromium(): void {
  const mayInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
  if (mayInstall) {
    console.log('Chromium is missing: installing the package chromium (about a minute)')
    run('apt-get', ['update', '-qq'])
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'])
  }
  if (findChromium()) return
  console.error('no Chromium found: install it (Debian: apt-get install chromium), or set CHROMIUM_PATH')
  process.exit(1)
}

if (!findChromium()) installChromium()
process.exit(run('npx', ['vitest', 'run', '--config', 'vitest.ui.config.ts']) ? 0 : 1)
