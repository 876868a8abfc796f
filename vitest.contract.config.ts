import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// The API against its own description, by schemathesis; apart, because it needs Python and takes minutes.
export default defineConfig({
  test: { ...base.test, include: ['tests/contract/**/*.test.ts'], exclude: [], testTimeout: 900_000 },
})
