import { answer, type Oddity } from './oddity.ts'

const DEPTH = 40_000

export default {
  title: 'whose result is nested without end',
  answers: {
    'tools/call': answer(`{"content":[],"structuredContent":{"a":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}}}`),
  },
  kept: { isError: false, inexact: 'it is nested deeper than 200 levels' },
} satisfies Oddity
