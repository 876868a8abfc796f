import { expect, test } from 'vitest'
import { createPlaces } from '../../lib/places.ts'

/** How many it gets of a hundred that it asks for. */
function takeMany(places: ReturnType<typeof createPlaces>, owner: string): (() => void)[] {
  return Array.from({ length: 100 }, () => places.take(owner)).filter((giveBack) => giveBack !== null)
}

test('an owner has its share alone, and half of what the others leave beside them', () => {
  const places = createPlaces({ total: 100, perOwner: 75 })
  const counts = ['one', 'two', 'three', 'four'].map((owner) => takeMany(places, owner).length)
  expect(counts).toEqual([75, 13, 6, 3])
})

test('never more than all places are taken', () => {
  const places = createPlaces({ total: 4, perOwner: 3 })
  const counts = ['one', 'two', 'three'].map((owner) => takeMany(places, owner).length)
  expect(counts).toEqual([3, 1, 0])
})

test('a place is given back once', () => {
  const places = createPlaces({ total: 4, perOwner: 2 })
  const [first] = takeMany(places, 'one')
  first?.()
  first?.()
  expect(takeMany(places, 'one')).toHaveLength(1)
  expect(takeMany(places, 'other')).toHaveLength(1)
})
