/**
 * MCP servers as child processes, one per target and organization, kept for the next call: spawning costs 140 ms, a
 * call on a living child below 1 ms (tried). A child that left a call unanswered gets no further one.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { hiding } from '../lib/hidden-secrets.ts'
import { whoHasToGo, type Kept, type Room } from '../lib/kept.ts'
import type { SendWindow } from '../lib/send-window.ts'
import { CodedError } from '../schemas/errors.ts'
import { ChildPipe } from './child-pipe.ts'
import { LocalFailure, toMcpCallError } from './errors.ts'
import type { FailureContext } from './errors.ts'
import { sdkTimeoutMs, wasStopped, withinLimits } from './limits.ts'
import { targetKey, textsOf } from './port.ts'
import type { StdioServer } from './port.ts'
import { toldOf } from './reading-turn.ts'
import { CLIENT_INFO, sendRequest } from './session.ts'
import type { McpSession, SessionLimits, SessionWork } from './session.ts'

export interface StdioPool {
  run<T>(target: StdioServer, limits: SessionLimits, work: SessionWork<T>): Promise<T>
  /** Living children that take calls. */
  size(): number
  /** Ends every child, also those that are being closed; up to 4 s for one that ignores the end of its input. */
  close(): Promise<void>
}

export interface StdioPoolOptions {
  maxIdleMs: number
  /** One message of a child. A longer one ends it. */
  maxMessageBytes: number
  /** Of children at a time. */
  most: Room
}

interface Child extends Kept {
  key: string
  client: Client
  transport: ChildPipe
  ready: Promise<void>
  /** Rejects when the child has become useless and the SDK does not say so. Never resolves. */
  lost: Promise<never>
  fail: (reason: LocalFailure) => void
  users: number
  closed: boolean
  stderrTail: string
  idleTimer: NodeJS.Timeout | undefined
  /** Set once when closing begins. */
  ended: Promise<void> | undefined
}

/** A server that is started through a package manager takes its time; the callers' own deadlines hold besides. */
const CONNECT_LIMIT_MS = 60_000
const STDERR_TAIL_LENGTH = 2_000

export function createStdioPool(options: StdioPoolOptions): StdioPool {
  const state: PoolState = { options, byKey: new Map(), living: new Set(), closed: false }
  return {
    run: (target, limits, work) => run(state, target, limits, work),
    size: () => state.byKey.size,
    close: async () => {
      state.closed = true
      await Promise.allSettled([...state.living].map((child) => endChild(state, child)))
    },
  }
}

interface PoolState {
  options: StdioPoolOptions
  /** Those that take calls. */
  byKey: Map<string, Child>
  /** Also those that finish their last call or are being closed, in the order of last use. */
  living: Set<Child>
  closed: boolean
}

async function run<T>(
  state: PoolState,
  target: StdioServer,
  limits: SessionLimits,
  work: SessionWork<T>,
): Promise<T> {
  const { window } = limits
  const context: FailureContext = { phase: 'connect', window, secrets: textsOf(target) }
  const held: { child?: Child } = {}
  try {
    return await withinLimits(limits, async (signal) => {
      // Looked at again each time: somebody else may be first.
      for (let leaving = leavingFor(state, target); leaving; leaving = leavingFor(state, target)) {
        await leaving
        signal.throwIfAborted()
      }
      const used = acquire(state, target)
      held.child = used
      // Not bound to this caller's limits: others may be waiting for the same child.
      await used.ready
      context.phase = 'call'
      const options = { signal, timeout: sdkTimeoutMs(limits) }
      const session: McpSession = {
        request: (message) => {
          used.transport.expect(message, window)
          return sendRequest(used.client, message, options)
        },
      }
      return await Promise.race([work(session), used.lost])
    })
  } catch (error) {
    const { child } = held
    if (child && context.phase === 'call' && wasStopped(error)) giveUp(state, child, window)
    context.connectionClosed = child?.closed ?? false
    context.stderrTail = child?.stderrTail ?? ''
    throw toMcpCallError(toldOf(error, child?.transport), context)
  } finally {
    if (held.child) release(state, held.child)
  }
}

/** What has to end before there is room for one more; undefined if there is. Throws ORGANIZATION_BUSY. */
function leavingFor(state: PoolState, target: StdioServer): Promise<void> | undefined {
  if (state.closed || state.byKey.has(targetKey(target))) return undefined
  const leaving = whoHasToGo(state.living, { owner: target.poolKey, size: 1 }, state.options.most)
  return leaving ? endChild(state, leaving) : undefined
}

function acquire(state: PoolState, target: StdioServer): Child {
  if (state.closed) throw new LocalFailure('closed')
  const key = targetKey(target)
  const child = state.byKey.get(key) ?? start(state, key, target)
  clearTimeout(child.idleTimer)
  child.users += 1
  return child
}

function release(state: PoolState, child: Child): void {
  child.users -= 1
  // To the end of the order, unless it has ended meanwhile.
  if (state.living.delete(child)) state.living.add(child)
  if (child.users > 0) return
  if (state.byKey.get(child.key) !== child) {
    // Detached: a child that ignores the end of its input takes seconds to go.
    void endChild(state, child)
    return
  }
  child.idleTimer = setTimeout(() => void endChild(state, child), state.options.maxIdleMs).unref()
}

/**
 * Ending its input would hand on what it has not read, after the deadline. And of a write without an answer nothing is
 * left, whoever else waits for this child: what it has not read, or has put aside, it would do when others have looked and
 * found nothing. That it speaks tells nothing of this write. Readings of others are made again, their writes count as lost.
 */
function giveUp(state: PoolState, child: Child, window: SendWindow | null): void {
  takeNoMore(state, child)
  // What has not left yet does not do so any more, either.
  window?.giveUp(new CodedError('WRITE_NOT_SENT', 'its caller has given it up'))
  const { transport } = child
  if (transport.backlogBytes > 0 || transport.isUnanswered(window)) transport.kill()
}

function takeNoMore(state: PoolState, child: Child): void {
  clearTimeout(child.idleTimer)
  if (state.byKey.get(child.key) === child) state.byKey.delete(child.key)
}

/** Resolves when the process is gone, or was sent SIGKILL. */
function endChild(state: PoolState, child: Child): Promise<void> {
  takeNoMore(state, child)
  child.ended ??= child.client
    .close()
    .catch(() => {})
    .finally(() => state.living.delete(child))
  return child.ended
}

function start(state: PoolState, key: string, target: StdioServer): Child {
  const child = createChild(key, target, state.options.maxMessageBytes)
  state.byKey.set(key, child)
  state.living.add(child)
  child.client.onclose = () => {
    child.closed = true
    takeNoMore(state, child)
    if (child.ended === undefined) state.living.delete(child)
  }
  child.transport.onexit = () => takeNoMore(state, child)
  child.transport.onoversized = (most) => {
    takeNoMore(state, child)
    killOversized(child, most)
  }
  child.ready = child.client.connect(child.transport, { timeout: CONNECT_LIMIT_MS })
  child.ready.catch(() => takeNoMore(state, child))
  return child
}

function createChild(key: string, target: StdioServer, maxMessageBytes: number): Child {
  const transport = new ChildPipe(target, { maxMessageBytes })
  let fail: (reason: LocalFailure) => void = () => {}
  const lost = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  lost.catch(() => {})
  const child: Child = {
    key,
    owner: target.poolKey,
    size: 1,
    client: new Client(CLIENT_INFO),
    transport,
    ready: Promise.resolve(),
    lost,
    fail,
    users: 0,
    closed: false,
    stderrTail: '',
    idleTimer: undefined,
    ended: undefined,
  }
  const hide = hiding(textsOf(target))
  // Unread, the pipe fills up and the child stands still. Hidden before it is cut: the rest of a cut secret looks like none.
  transport.stderr.setEncoding('utf8').on('data', (words: string) => {
    child.stderrTail = hide(child.stderrTail + words).slice(-STDERR_TAIL_LENGTH)
  })
  return child
}

/**
 * The SDK only asks such a child to end, and its callers would wait for that. Whose answer was too large is known only
 * if there is one caller; several see a broken connection, and the culprit is found when it is alone.
 */
function killOversized(child: Child, most: string): void {
  child.transport.kill()
  child.closed = true
  child.fail(
    child.users === 1
      ? new LocalFailure('result_too_large', `the server sent more than ${most}`)
      : new LocalFailure('interrupted'),
  )
}
