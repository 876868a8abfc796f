import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Ratios of times of one run; apart, because they mean little on a machine that does something else.
export default defineConfig({
  test: {
    ...base.test,
    include: ['tests/load/**/*.test.ts'],
    exclude: [],
    maxWorkers: 1,
    testTimeout: 900_000,
    disableConsoleIntercept: true,
  },
})
