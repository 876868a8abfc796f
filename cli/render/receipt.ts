/** What a receipt says, in words. It is not verified here: that is what `receipts verify` is for. Pure. */
import { StatementSchema, type Statement } from '../../schemas/receipt.ts'

export interface ReceiptWords {
  kind: string
  words: string
  /** Of what it is about. */
  subject: string
  at: string
}

/** Of one in its run. */
export interface ToldReceipt extends ReceiptWords {
  id: string
  seq: number
}

const KINDS = ['decision', 'outcome', 'resolution']

export function describeReceipt(payload: string): ReceiptWords {
  const statement = statementIn(payload)
  return statement ? wordsOf(statement) : { kind: '?', words: '?', subject: '?', at: '' }
}

export function wordsOf({ predicate, predicateType, subject }: Statement): ReceiptWords {
  const kind = KINDS.find((name) => predicateType.includes(`:${name}:`)) ?? '?'
  const text = (name: string): string => (typeof predicate[name] === 'string' ? predicate[name] : '?')
  const words = {
    decision: () => `${text('verdict')} by ${text('principal')}`,
    outcome: () =>
      typeof predicate['how'] === 'string' ? `${text('status')}, ${predicate['how']}` : text('status'),
    resolution: () => `${text('status')}, says ${text('principal')}`,
  }[kind]
  return {
    kind,
    words: words?.() ?? '?',
    subject: subject.map(({ name }) => name).join(', '),
    at: predicate.at,
  }
}

/** Undefined if it is none of ours. */
export function statementIn(payload: string): Statement | undefined {
  try {
    return StatementSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64').toString('utf8'))).data
  } catch {
    return undefined
  }
}
