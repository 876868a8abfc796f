import { listing, type Oddity } from './oddity.ts'

export default {
  title: 'whose list of tools is not in UTF-8',
  encoding: 'latin1',
  answers: {
    'tools/list': listing('{"name":"echo","description":"Größe","inputSchema":{"type":"object"}}'),
  },
  tools: [{ name: 'echo', description: 'Gr\ufffd\ufffde', inputSchema: { type: 'object' } }],
  warnings: ['the list of tools is not in UTF-8'],
} satisfies Oddity
