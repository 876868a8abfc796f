import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Servers of others, as they come from npm and PyPI; apart, because it installs them and takes minutes.
export default defineConfig({
  test: {
    ...base.test,
    include: ['tests/servers/**/*.test.ts'],
    exclude: [],
    testTimeout: 120_000,
    hookTimeout: 600_000,
  },
})
