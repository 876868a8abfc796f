#!/usr/bin/env node
/**
 * Starts the CLI in this very process, so that signals reach it: in a clone from its TypeScript through tsx, in the
 * package, which has none, from dist.
 */
import { existsSync } from 'node:fs'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `countersign needs Node 20.19 or newer; this is ${process.versions.node}. Install a newer Node (https://nodejs.org).\n`,
  )
  process.exit(2)
}

const source = new URL('./main.ts', import.meta.url)
const isSource = existsSync(source)
if (isSource) {
  const { register } = await import('tsx/esm/api')
  register()
}
const { main } = await import(isSource ? source.href : '../dist/cli/main.js')
process.exitCode = await main(process.argv)
