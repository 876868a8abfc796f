import { answer, type Oddity } from './oddity.ts'

export default {
  title: 'whose list of tools is null',
  answers: { 'tools/list': answer('{"tools":null}') },
  tools: [],
} satisfies Oddity
