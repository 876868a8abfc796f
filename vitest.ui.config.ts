import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What people see in a browser; apart, because it needs Chromium. Started by scripts/check-ui.ts.
export default defineConfig({ test: { ...base.test, include: ['tests/ui/**/*.test.ts'], exclude: [] } })
