import { expect, test } from 'vitest'
import { isoTimeMs } from '../../lib/iso-time.ts'

test.each([
  ['2026-02-28T00:00:00Z', Date.UTC(2026, 1, 28)],
  ['2024-02-29T23:30:00+01:00', Date.UTC(2024, 1, 29, 22, 30)],
  ['2026-01-01T00:30:00.250-05:00', Date.UTC(2026, 0, 1, 5, 30, 0, 250)],
  ['2026-02-28 00:00:00.123456+00', Date.UTC(2026, 1, 28, 0, 0, 0, 123)],
  ['2026-02-28 01:30+0130', Date.UTC(2026, 1, 28)],
  ['2026-02-29T00:00:00Z', null],
  ['2026-04-31T12:00:00Z', null],
  ['2026-13-01T00:00:00Z', null],
  ['2026-02-28', null],
  ['2026-02-28T00:00:00', null],
  [20260228, null],
])('%s', (text, timeMs) => {
  expect(isoTimeMs(text)).toBe(timeMs)
})
