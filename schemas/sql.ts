/** What a write to a database says. */
import { z } from 'zod'
import { JsonObjectSchema } from './common.ts'

export const IdentifierSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain SQL identifier')

export const SqlUpdateSchema = z.strictObject({
  /** One of the connection’s tables. */
  table: IdentifierSchema,
  /** The primary key of the one row. Texts here and below may hold `${{ … }}`. */
  key: JsonObjectSchema,
  /** Column values that the row must still have, besides the table's version column. */
  guard: JsonObjectSchema.default({}),
  /** Columns and their new values. */
  set: JsonObjectSchema,
})

export type SqlUpdate = z.infer<typeof SqlUpdateSchema>
