import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What CI runs: the tests of `npm test`, and beside them those that need Chromium or install everything once more. Each of
// these waits for much of its time, so that together they take less than one after the other.
const BESIDE = ['tests/ui/**', 'tests/packaging/**', 'tests/docs/tutorial/**']
const { exclude } = base.test ?? {}

export default defineConfig({
  test: { ...base.test, exclude: exclude?.filter((pattern) => !BESIDE.includes(pattern)) ?? [] },
})
