/** The receipts of a run as the API gives them: page by page, with the head of the last page. */
import { z } from 'zod'
import { openList } from '../../api/pages.ts'
import type { Queryable } from '../../db/database.ts'
import { loadChainPage, type ChainPage } from '../../db/queries/receipts.ts'

interface Chain {
  receipts: ChainPage['rows']
  /** Of each page. */
  heads: ChainPage['head'][]
  /** Of the last one. */
  head: ChainPage['head']
}

export async function readChain(
  db: Queryable,
  params: { organization: string; runId: string; pageRows?: number; betweenPages?: () => Promise<void> },
): Promise<Chain> {
  const { organization, runId, pageRows = 100 } = params
  const receipts: ChainPage['rows'] = []
  const heads: ChainPage['head'][] = []
  let cursor: string | undefined
  for (;;) {
    const list = openList('receipts', { limit: pageRows, cursor }, z.int())
    const page = await loadChainPage(db, { organization, runId, limit: list.limit, after: list.after })
    const { items, next_cursor } = list.page(page.rows, {
      item: (row) => row,
      position: ({ seq }) => seq,
      isCut: page.isCut,
    })
    receipts.push(...items)
    heads.push(page.head)
    if (next_cursor === null) return { receipts, heads, head: page.head }
    await params.betweenPages?.()
    cursor = next_cursor
  }
}
