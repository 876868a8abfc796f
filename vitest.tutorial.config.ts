import { defineConfig } from 'vitest/config'

// Apart, because it installs everything once more and starts a stack of its own, as a reader of the tutorial would.
export default defineConfig({
  test: { pool: 'forks', include: ['tests/docs/tutorial/*.test.ts'], hookTimeout: 120_000 },
})
