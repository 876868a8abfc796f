import { defineConfig } from 'vitest/config'
import LongestFirst from './tests/support/longest-first.ts'

// One PostgreSQL and one Temporal server per run, started by globalSetup; forks because of native modules. Three, also on
// two cores: a third of their time they wait for deadlines, processes and servers.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 3,
    include: ['tests/**/*.test.ts'],
    exclude: [
      'tests/ui/**',
      'tests/packaging/**',
      'tests/contract/**',
      'tests/servers/**',
      'tests/docs/tutorial/**',
      'tests/bench/**',
      'tests/load/**',
    ],
    sequence: { sequencer: LongestFirst },
    globalSetup: ['tests/support/global-setup.ts'],
    reporters: ['default', './tests/support/summary-reporter.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    coverage: { provider: 'v8', reporter: ['text-summary'] },
  },
})
