/**
 * The tools of each target: all pages, each definition with its hash, kept for a short time. Callers validate and pin
 * by it before they call, since a server answers an unknown tool with an ordinary error result.
 */
import { McpCallError, toMcpCallError } from './errors.ts'
import { withinLimits } from './limits.ts'
import { hashToolDefinition, targetKey } from './port.ts'
import type { CallLimits, McpClientPort, McpServer, ToolDefinition } from './port.ts'

export interface CatalogTool {
  definition: ToolDefinition
  hash: string
}

export interface CatalogLimits extends CallLimits {
  /** Lists again even if the time is not over. */
  fresh?: boolean
}

export interface ToolCatalog {
  /** Rejects with `TOOL_NOT_FOUND` if a fresh list does not have it. */
  getTool(target: McpServer, name: string, limits: CatalogLimits): Promise<CatalogTool>
  listTools(target: McpServer, limits: CatalogLimits): Promise<CatalogTool[]>
}

/**
 * Long enough that the steps of a run share one listing, short enough that a changed definition is noticed before a
 * person would wonder; whoever sends an approved write asks with `fresh`.
 */
const DEFAULT_TTL_MS = 30_000
const LISTING_LIMIT_MS = 30_000

type Tools = Map<string, CatalogTool>

interface Listing {
  listedAtMs: number
  tools: Promise<Tools>
}

export function createToolCatalog(port: McpClientPort, options: { ttlMs?: number } = {}): ToolCatalog {
  const state: CatalogState = { port, ttlMs: options.ttlMs ?? DEFAULT_TTL_MS, listings: new Map() }
  return {
    async getTool(target, name, limits) {
      const { tools, cached } = await lookUp(state, target, limits)
      const tool = tools.get(name)
      if (tool) return tool
      const found = cached
        ? (await lookUp(state, target, { ...limits, fresh: true })).tools.get(name)
        : undefined
      if (found) return found
      throw new McpCallError({
        code: 'TOOL_NOT_FOUND',
        sent: 'no',
        message: `the server has no tool ${name}`,
      })
    },
    async listTools(target, limits) {
      return [...(await lookUp(state, target, limits)).tools.values()]
    },
  }
}

interface CatalogState {
  port: McpClientPort
  ttlMs: number
  listings: Map<string, Listing>
}

interface Found {
  tools: Tools
  /** Not listed for this question. */
  cached: boolean
}

async function lookUp(state: CatalogState, target: McpServer, limits: CatalogLimits): Promise<Found> {
  const key = targetKey(target)
  const present = state.listings.get(key)
  const cached = limits.fresh !== true && present !== undefined && isCurrent(state, present)
  const listing = cached ? present : list(state, target, key)
  try {
    return { tools: await withinLimits(limits, () => listing.tools), cached }
  } catch (error) {
    throw toMcpCallError(error, { phase: 'connect' })
  }
}

/** Callers at the same time share one listing, which therefore has limits of its own. */
function list(state: CatalogState, target: McpServer, key: string): Listing {
  const { port, listings } = state
  const previous = listings.get(key)?.tools
  const limits = { deadlineAtMs: Date.now() + LISTING_LIMIT_MS, signal: new AbortController().signal }
  const tools = port.listTools(target, limits).then(async (definitions) => {
    const known = await previous?.catch(() => undefined)
    return new Map(definitions.map((definition) => [definition.name, withHash(definition, known)]))
  })
  // A renewed secret makes a new target; the list of the old one must not stay for ever.
  for (const [other, listing] of listings) {
    if (!isCurrent(state, listing)) listings.delete(other)
  }
  const listing = { listedAtMs: Date.now(), tools }
  listings.set(key, listing)
  tools.catch(() => {
    if (listings.get(key) === listing) listings.delete(key)
  })
  return listing
}

function isCurrent({ ttlMs }: CatalogState, { listedAtMs }: Listing): boolean {
  return listedAtMs + ttlMs > Date.now()
}

/** An unchanged definition stays the same object, and with it its compiled schemas. */
function withHash(definition: ToolDefinition, known: Tools | undefined): CatalogTool {
  const hash = hashToolDefinition(definition)
  const previous = known?.get(definition.name)
  return previous?.hash === hash ? previous : { definition, hash }
}
