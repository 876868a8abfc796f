import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'that says null of the arguments of a tool',
  answers: { 'tools/list': listing('{"name":"echo","inputSchema":null}') },
  tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
  warnings: ['tool echo says nothing of its arguments'],
} satisfies Oddity
