import { defineConfig } from 'vitest/config'

// One PostgreSQL and one Temporal server per run, started by globalSetup; forks because of native modules. Three at a
// time also on two cores: many files wait, for deadlines and for processes that are started or stopped.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 3,
    include: ['tests/**/*.test.ts'],
    exclude: [
      'tests/ui/**',
      'tests/packaging/**',
      'tests/contract/**',
      'tests/docs/tutorial/**',
      'tests/bench/**',
      'tests/load/**',
    ],
    globalSetup: ['tests/support/global-setup.ts'],
    reporters: ['default', './tests/support/summary-reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    coverage: { provider: 'v8', reporter: ['text-summary'] },
  },
})
