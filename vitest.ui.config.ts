import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What people see in a browser; apart, because it needs Chromium: `npm run check:ui`.
export default defineConfig({ test: { ...base.test, include: ['tests/ui/**/*.test.ts'], exclude: [] } })
