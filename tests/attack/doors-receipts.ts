/** Doors that bound what is read and shown of receipts, and say who sees them. */
import type { Door } from './door.ts'

const FILE = 'many-receipts.test.ts'

export const receipts: Door[] = [
  {
    name: 'how large a page of receipts becomes is not counted',
    patches: [
      {
        file: 'db/queries/cut-rows.ts',
        find: 'where page.bytes + sized.bytes <= ${MAX_PAGE_BYTES}',
        replace: 'where page.bytes + sized.bytes > 0',
      },
    ],
    test: {
      file: FILE,
      title: 'of the receipts of a run ends early where they are too large',
    },
    says: 'to be less than',
  },
  {
    name: 'with a cursor anybody gets the head of the receipts of any run',
    patches: [
      {
        file: 'api/operations/receipts.ts',
        find: 'if (rows.length === 0 &&',
        replace: 'if (rows.length === 0 && list.after === undefined &&',
      },
    ],
    test: {
      file: FILE,
      title: 'of the receipts of a run belongs to that run, and to who may read it',
    },
    says: 'to match object { status: 404',
  },
  {
    name: 'a run holds all that its receipts say',
    patches: [
      {
        file: 'db/queries/receipts.ts',
        find: 'select receipt_id as id, seq, sha256, kind, subject from receipts',
        replace: 'select receipt_id as id, seq, sha256, kind, subject, envelope from receipts',
      },
      {
        file: 'schemas/operations/views.ts',
        find: 'ReceiptViewSchema.omit({ envelope: true })',
        replace: 'ReceiptViewSchema',
      },
    ],
    test: {
      file: FILE,
      title: 'a run mentions its receipts, and does not hold what they say',
    },
    says: 'to be less than',
  },
  {
    name: 'the receipts of a run are those of the first page',
    patches: [
      {
        file: 'sdk/client/follow.ts',
        find: 'if (next_cursor === null) return { ...rest',
        replace: 'if (next_cursor !== undefined) return { ...rest',
      },
    ],
    test: {
      file: FILE,
      title: 'all pages together, with the head of the last, verify; without one of them they do not',
    },
    says: 'expected [ { position: 1',
  },
]
