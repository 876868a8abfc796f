/**
 * `tsx scripts/with-chromium.ts COMMAND...`: runs a command that needs Chromium. Installs it with apt where it is missing
 * and may do so; elsewhere says what to install.
 */
import { spawnSync } from 'node:child_process'
import { findChromium } from '../tests/support/browser.ts'

function run(command: string, args: readonly string[]): boolean {
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

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('usage: tsx scripts/with-chromium.ts COMMAND...')
if (!findChromium()) installChromium()
process.exit(run(command, args) ? 0 : 1)
