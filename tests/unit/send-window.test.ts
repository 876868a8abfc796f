import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { CodedError } from '../../schemas/errors.ts'

const AWAY = new CodedError('CONNECTION_NOT_READY', 'away')

let wallMs = 0
let monotonicMs = 0

beforeEach(() => {
  wallMs = 1_700_000_000_000
  monotonicMs = 5_000
  vi.spyOn(Date, 'now').mockImplementation(() => wallMs)
  vi.spyOn(performance, 'now').mockImplementation(() => monotonicMs)
})
afterEach(() => {
  vi.restoreAllMocks()
})

test('a write passes once, and then nobody gets the proof that it was not sent', () => {
  const window = new SendWindow(1_000)
  window.assertOpen()
  window.pass()
  expect(window.hasPassed).toBe(true)
  expect(window.giveUp(AWAY)).toBeNull()
  expect(() => window.pass()).toThrow('a write is sent once')
})

test('what was given up does not pass any more', () => {
  const window = new SendWindow(1_000)
  expect(window.giveUp(AWAY)?.error).toBe(AWAY)
  expect(() => window.pass()).toThrow('its time was over')
  expect(window.hasPassed).toBe(false)
})

test('what allows a write may hold for less time than its call has', () => {
  const window = new SendWindow(10_000, 1_000)
  monotonicMs += 1_000
  window.assertOpen()
  wallMs += 1_001
  expect(() => window.pass()).toThrow('its approval has lapsed')
  expect(window.remainingMs).toBe(8_999)
  expect(window.giveUp(AWAY)?.error).toBe(AWAY)
})

test.each([
  ['the wall clock says so, as after a sleep of the machine', 1_000, 0],
  ['the monotonic clock says so, though the wall clock was set back', -3_600_000, 1_000],
])('nothing passes when %s', (_when, wall, monotonic) => {
  const window = new SendWindow(1_000)
  wallMs += wall
  monotonicMs += monotonic
  expect(() => window.assertOpen()).toThrow('its time was over')
  expect(() => window.pass()).toThrow('its time was over')
  expect(window.giveUp(AWAY)?.error).toBe(AWAY)
})
