import { expect, test } from 'vitest'
import { createSeats } from '../../lib/fair-seats.ts'

/** What was served, in order. Each holds its seat until `release`. */
function room(total: number, perOwner: number) {
  const seats = createSeats({ total, perOwner })
  const served: string[] = []
  const held: (() => void)[] = []
  const ask = (owner: string, name: string, signal?: AbortSignal) =>
    seats.take(owner, signal).then((giveBack) => {
      served.push(name)
      held.push(giveBack)
    })
  const release = async (): Promise<void> => {
    held.shift()?.()
    await new Promise(setImmediate)
  }
  return { ask, release, served, settled: () => new Promise(setImmediate) }
}

test('owners are served in turn, however many each has waiting', async () => {
  const { ask, release, served, settled } = room(1, 1)
  for (let i = 0; i < 5; i++) void ask('many', `many${i}`)
  void ask('one', 'one0')
  void ask('one', 'one1')
  void ask('few', 'few0')
  await settled()
  for (let i = 0; i < 8; i++) await release()
  expect(served).toEqual(['many0', 'many1', 'one0', 'few0', 'many2', 'one1', 'many3', 'many4'])
})

test('an owner never has more than its share, also when seats are free', async () => {
  const { ask, release, served, settled } = room(4, 2)
  for (let i = 0; i < 5; i++) void ask('many', `many${i}`)
  await settled()
  expect(served).toEqual(['many0', 'many1'])
  void ask('other', 'other0')
  await settled()
  expect(served).toEqual(['many0', 'many1', 'other0'])
  await release()
  expect(served).toEqual(['many0', 'many1', 'other0', 'many2'])
})

test('who gives up leaves no gap, and a seat is given back once', async () => {
  const { ask, release, served, settled } = room(1, 1)
  const gone = new AbortController()
  void ask('a', 'a0')
  const given = ask('a', 'a1', gone.signal)
  void ask('a', 'a2')
  gone.abort(new Error('gone'))
  await expect(given).rejects.toThrow('gone')
  await settled()
  await release()
  expect(served).toEqual(['a0', 'a2'])
  const seats = createSeats({ total: 1, perOwner: 1 })
  const giveBack = await seats.take('a')
  giveBack()
  giveBack()
  await seats.take('a')
  const late = seats.take('a', AbortSignal.timeout(20))
  await expect(late).rejects.toThrow()
})
