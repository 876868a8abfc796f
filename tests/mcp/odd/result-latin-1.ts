import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'whose result is not in UTF-8',
  encoding: 'latin1',
  answers: { 'tools/call': answer('{"content":[],"structuredContent":{"name":"Größe"}}') },
  kept: { isError: false, inexact: 'it is not in UTF-8' },
} satisfies Oddity
