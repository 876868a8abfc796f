import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Times, printed and never a reason to fail; apart, because they mean little on a machine that does something else.
export default defineConfig({
  test: {
    ...base.test,
    include: ['tests/bench/**/*.test.ts'],
    exclude: [],
    maxWorkers: 1,
    testTimeout: 600_000,
    disableConsoleIntercept: true,
  },
})
