import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// The package as others get it; apart, because it installs everything once more, which takes the registry and a minute.
export default defineConfig({
  test: { ...base.test, include: ['tests/packaging/**/*.test.ts'], exclude: [] },
})
