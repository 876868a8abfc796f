/**
 * The tools of each target: all pages, each definition with its hash, kept for a short time. Callers validate and pin
 * by it before they call, since a server answers an unknown tool with an ordinary error result.
 */
import type { JsonValue } from '../lib/json.ts'
import { whoHasToGo, type Kept, type Room } from '../lib/kept.ts'
import { jsonBytes, MAX_LISTING_BYTES } from '../lib/limits.ts'
import { McpCallError, toMcpCallError } from './errors.ts'
import { withinLimits } from './limits.ts'
import { hashToolDefinition, targetKey } from './port.ts'
import type { CallLimits, McpClientPort, McpServer, ToolDefinition, ToolListing } from './port.ts'

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
  listTools(target: McpServer, limits: CatalogLimits): Promise<ListedTools>
}

export interface ListedTools {
  tools: CatalogTool[]
  /** What of the list could not be read, for people. */
  warnings: readonly string[]
}

/**
 * Long enough that the steps of a run share one listing, short enough that a changed definition is noticed before a
 * person would wonder; whoever sends an approved write asks with `fresh`.
 */
const DEFAULT_TTL_MS = 30_000
const LISTING_LIMIT_MS = 30_000

/** Hashed when somebody asks: a list may be long, and a step wants one tool of it. */
interface Tools {
  get: (name: string) => CatalogTool | undefined
  all: () => CatalogTool[]
  warnings: readonly string[]
  /** Those that were asked for. */
  hashed: ReadonlyMap<string, CatalogTool>
}

interface Listing extends Kept {
  key: string
  listedAtMs: number
  tools: Promise<Tools>
  /** 1 while it is under way. */
  users: number
  /** Bytes, once it has ended. */
  size: number
}

/** Bytes of lists that are kept: of two of the largest for one organization, and eight times as much of all. */
const MOST_LISTED: Room = { total: 16 * MAX_LISTING_BYTES, perOwner: 2 * MAX_LISTING_BYTES }

export function createToolCatalog(port: McpClientPort, options: { ttlMs?: number } = {}): ToolCatalog {
  const state: CatalogState = {
    port,
    ttlMs: options.ttlMs ?? DEFAULT_TTL_MS,
    listings: new Map(),
    next: new Map(),
  }
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
      const { tools } = await lookUp(state, target, limits)
      return { tools: tools.all(), warnings: tools.warnings }
    },
  }
}

interface CatalogState {
  port: McpClientPort
  ttlMs: number
  listings: Map<string, Listing>
  /** Those that begin when the one under way has ended: a server is asked by one at a time. */
  next: Map<string, Promise<Listing>>
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
  try {
    const tools = await withinLimits(limits, async () => {
      const listing = cached ? present : await listAnew(state, target, key)
      return listing.tools
    })
    return { tools, cached }
  } catch (error) {
    throw toMcpCallError(error, { phase: 'connect' })
  }
}

/** Begins after it was asked for, however many have asked meanwhile. */
function listAnew(state: CatalogState, target: McpServer, key: string): Promise<Listing> {
  const { listings, next } = state
  const waiting = next.get(key)
  if (waiting) return waiting
  const present = listings.get(key)
  if (!present || present.users === 0) return Promise.resolve(list(state, target, key))
  const listing = present.tools
    .then(noMatter, noMatter)
    .then(() => next.delete(key))
    .then(() => list(state, target, key))
  next.set(key, listing)
  return listing
}

const noMatter = (): void => undefined

/** Callers at the same time share one listing, which therefore has limits of its own. */
function list(state: CatalogState, target: McpServer, key: string): Listing {
  const { port, listings } = state
  const previous = listings.get(key)?.tools
  const limits = { deadlineAtMs: Date.now() + LISTING_LIMIT_MS, signal: new AbortController().signal }
  const tools = port.listTools(target, limits).then(async (listed) => {
    const known = await previous?.catch(() => undefined)
    listing.size = jsonBytes(listed as unknown as JsonValue)
    return toolsOf(listed, known?.hashed)
  })
  // A renewed secret makes a new target; the list of the old one must not stay for ever.
  for (const [other, listing] of listings) {
    if (!isCurrent(state, listing)) listings.delete(other)
  }
  const listing: Listing = { key, owner: target.poolKey, users: 1, size: 0, listedAtMs: Date.now(), tools }
  listings.set(key, listing)
  tools.then(
    () => {
      listing.users = 0
      makeRoom(state, listing)
    },
    () => {
      listing.users = 0
      forget(state, listing)
    },
  )
  return listing
}

/** For one that has come just now. */
function makeRoom(state: CatalogState, latest: Listing): void {
  for (;;) {
    const others = [...state.listings.values()].filter((listing) => listing !== latest)
    const leaving = whoHasToGo(others, latest, MOST_LISTED)
    if (!leaving) return
    forget(state, leaving)
  }
}

function forget({ listings }: CatalogState, listing: Listing): void {
  if (listings.get(listing.key) === listing) listings.delete(listing.key)
}

function isCurrent({ ttlMs }: CatalogState, { listedAtMs }: Listing): boolean {
  return listedAtMs + ttlMs > Date.now()
}

/** An unchanged definition stays the same object, and with it its compiled schemas. */
function toolsOf(
  { tools: definitions, warnings }: ToolListing,
  known: ReadonlyMap<string, CatalogTool> | undefined,
): Tools {
  const byName = new Map<string, ToolDefinition>(
    definitions.map((definition) => [definition.name, definition]),
  )
  const hashed = new Map<string, CatalogTool>()
  const get = (name: string): CatalogTool | undefined => {
    const definition = byName.get(name)
    const earlier = hashed.get(name)
    if (definition === undefined || earlier !== undefined) return earlier
    const hash = hashToolDefinition(definition)
    const previous = known?.get(name)
    const tool = previous?.hash === hash ? previous : { definition, hash }
    hashed.set(name, tool)
    return tool
  }
  return { get, hashed, warnings, all: () => [...byName.keys()].flatMap((name) => get(name) ?? []) }
}
