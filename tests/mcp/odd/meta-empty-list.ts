import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'with an empty list for what is said besides',
  answers: { 'tools/call': answer('{"content":[{"type":"text","text":"done"}],"_meta":[],"task":[]}') },
} satisfies Oddity
