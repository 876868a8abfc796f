/** The answer to a question, given on a terminal. */
import { describe, expect, it } from 'vitest'
import { askAnswer } from '../../cli/answer-prompts.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'

/** What comes of these lines, what was asked, and what was told. */
async function answered(
  form: JsonObject,
  ...lines: string[]
): Promise<{ value: JsonValue | undefined; asked: string[]; told: string[] }> {
  const asked: string[] = []
  const told: string[] = []
  const rest = [...lines]
  const ask = (question: string): Promise<string | undefined> => {
    asked.push(question)
    return Promise.resolve(rest.shift())
  }
  const value = await askAnswer(form, ask, (text) => void told.push(text))
  return { value, asked, told }
}

const FORM: JsonObject = {
  type: 'object',
  required: ['cause', 'days', 'sure'],
  properties: {
    cause: { enum: ['bank', 'customer'] },
    days: { type: 'integer' },
    sure: { type: 'boolean' },
    words: { type: 'string', title: 'In your words' },
  },
}

describe('an answer', () => {
  it('is asked field by field where the form is flat', async () => {
    const { value, asked } = await answered(FORM, 'bank', '3', 'yes', '')
    expect(value).toEqual({ cause: 'bank', days: 3, sure: true })
    expect(asked).toEqual([
      'cause (bank, customer): ',
      'days (integer): ',
      'sure (yes or no): ',
      'words (In your words; string; Enter for none): ',
    ])
  })

  it('is asked again where it cannot be of the form', async () => {
    const { value, told } = await answered(
      FORM,
      'bnak',
      'bank',
      '1.5',
      '9007199254740993',
      '2',
      'maybe',
      'n',
      'late',
    )
    expect(value).toEqual({ cause: 'bank', days: 2, sure: false, words: 'late' })
    expect(told).toEqual([
      'It takes one of bank, customer.',
      'It takes a whole number.',
      'It takes a whole number.',
      'It takes yes or no.',
    ])
  })

  it('is JSON for any other form', async () => {
    const { value, told } = await answered({ type: 'array' }, '[1', '[1, 2]')
    expect(value).toEqual([1, 2])
    expect(told).toEqual([expect.stringContaining('The answer is not JSON')])
  })

  it('is none where whoever is asked leaves', async () => {
    expect((await answered(FORM, 'bank')).value).toBe(undefined)
    expect((await answered({})).value).toBe(undefined)
  })
})
