/** Doors that keep what a tenant writes into a connection from the time of others. */
import type { Door } from './door.ts'

const FILE = 'costly-headers.test.ts'

export const costlyHeaders: Door[] = [
  {
    name: 'each colon of a header is tried',
    patches: [
      {
        file: 'lib/hidden-secrets.ts',
        find: 'return colon !== -1 && colon < text.length - 1 && !/[\\s/]/.test(text)',
        replace: 'return colon !== -1 && /^[^\\s/]+:[^\\s/]+$/.test(text)',
      },
    ],
    test: { file: FILE, title: 'the failure of a call with a header of colons takes no time of others' },
    says: 'to be less than 2000',
  },
  {
    name: 'each colon of a header in base64 is tried',
    patches: [
      {
        file: 'lib/hidden-secrets.ts',
        find: "return decoded.includes(':') && !/\\p{C}/u.test(decoded) ? decoded : undefined",
        replace: 'return /^[^\\p{C}]*:[^\\p{C}]*$/u.test(decoded) ? decoded : undefined',
      },
    ],
    test: {
      file: '../unit/hidden-secrets.test.ts',
      title: 'is hardly more for many colons in base64 than to read them',
    },
    says: 'to be less than 1000',
  },
  {
    name: 'all of an error is looked through for headers that begin as it does',
    patches: [
      {
        file: 'mcp/errors.ts',
        find: 'const MAX_LOOKED_AT_LENGTH = 8 * 1024',
        replace: 'const MAX_LOOKED_AT_LENGTH = 1e9',
      },
    ],
    test: { file: FILE, title: 'nor does a long error of a server, with headers that begin as it does' },
    says: 'to be less than 2000',
  },
  {
    name: 'half of a secret is shown where an error was cut',
    patches: [
      {
        file: 'lib/hidden-secrets.ts',
        find: 'shown.slice(0, Math.max(0, shown.length - longest))',
        replace: 'shown',
      },
    ],
    test: {
      file: '../unit/hidden-secrets.test.ts',
      title: 'no part of a secret is shown that stands across the start',
    },
    says: 'not to match /[hun2-]/',
  },
  {
    name: 'headers are as large as their secrets make them',
    patches: [
      {
        file: 'activities/targets.ts',
        find: 'if (tooLarge !== null) throw',
        replace: "if (tooLarge === '') throw",
      },
    ],
    test: { file: FILE, title: 'are not sent if one is too large' },
    says: "expected 'http' to be 'HEADERS_TOO_LARGE'",
  },
  {
    name: 'headers are saved that no server takes',
    patches: [
      {
        file: 'manifests/connections.ts',
        find: 'if (tooLarge !== null)',
        replace: "if (tooLarge === '')",
      },
    ],
    test: { file: '../unit/manifest-messages.test.ts', title: 'are refused: one' },
    says: 'to deeply equal [ Array(1) ]',
  },
  {
    name: 'names in the address of a database are as long as somebody likes',
    patches: [
      {
        file: 'lib/database-address.ts',
        find: 'const MAX_NAME_LENGTH = 128',
        replace: 'const MAX_NAME_LENGTH = 1e9',
      },
    ],
    test: { file: FILE, title: 'the address of a database has names of the length that names have' },
    says: 'expected { address: { …(6) } } to deeply equal',
  },
]
