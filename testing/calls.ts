/** One call of a step: class, policy, people, answer; a conflict is planned anew, as in a real run. */
import { shortened } from '../lib/cut-text.ts'
import type { JsonObject } from '../lib/json.ts'
import { factsOfTool, factsOfUpdate, ruleOn, type Ruling } from '../lib/policy.ts'
import type { Outcome } from '../schemas/automation-tests.ts'
import { CodedError, isErrorCode, type ErrorCode } from '../schemas/errors.ts'
import type { SqlUpdate } from '../schemas/manifests.ts'
import { writebackIdOf } from '../schemas/names.ts'
import type { ReadOutcome, WriteOutcome, WriteStatus } from '../schemas/run.ts'
import { inRounds, settledCall } from '../workflows/interpreter/rounds.ts'
import type { ReadyStep } from '../workflows/interpreter/turn.ts'
import { playApproval } from './approvals.ts'
import type { Asking } from './fixtures.ts'
import type { Performed } from './simulate.ts'
import { failed, stepErrorOf, TestGap, type Standing, type World, type WriteRecord } from './world.ts'

type ReadyCall = Extract<ReadyStep, { call: unknown }>

/** Nobody decides, so the step never settles. */
class Undecided extends Error {}

/** The call, as it is going on. */
interface Passage {
  world: World
  automation: string
  step: ReadyCall
  asking: Asking
  nowMs: number
}

export async function performCall(
  world: World,
  { automation, prefix }: Standing,
  step: ReadyCall,
  nowMs: number,
): Promise<Performed> {
  const { connection, operation, arguments: args } = step.call
  const asking = { path: prefix + step.path, connection, tool: operation, arguments: args }
  const passage = { world, automation, step, asking, nowMs: nowMs + step.delayMs }
  let lastRound = step.round
  const attempt = async (round: number): Promise<ReadOutcome | WriteOutcome> => {
    lastRound = round
    return roundOf(passage, round)
  }
  try {
    const outcome = await inRounds(step.round, attempt, (error) => stepErrorOf(error).code)
    return { atMs: passage.nowMs, settled: { ...settledCall(outcome), lastRound } }
  } catch (error) {
    if (error instanceof Undecided) return { atMs: passage.nowMs, settled: null }
    return failed(stepErrorOf(error), passage.nowMs)
  }
}

function roundOf(passage: Passage, round: number): ReadOutcome | WriteOutcome {
  const { world, asking } = passage
  const isWrite = passage.step.call.raisedToWrite || classOf(world, asking) === 'write'
  const ruling = rulingOn(passage, isWrite ? 'write' : 'read')
  if (isWrite) return write(passage, ruling, round)
  if (ruling.effect !== 'allow')
    throw new CodedError('POLICY_DENIED', `${asking.connection}.${asking.tool}: rule ${ruleName(ruling)}`)
  const answer = answerTo(passage)
  if (answer.error) throw new CodedError(codeOf(answer.error.code), answer.error.message)
  return { kind: 'read', output: answer.output ?? null }
}

/** As in a real run: the operator's word, else what the test says of the server, else the worst. */
function classOf(world: World, asking: Asking): 'read' | 'write' {
  const spec = world.known.connections.get(asking.connection ?? '')
  const settings = spec?.type === 'mcp' ? spec.tools[asking.tool ?? ''] : undefined
  const word = settings?.class ?? world.fixtures.classOf(asking)
  if (word) return word
  const tool = `${asking.connection}.${asking.tool}`
  world.notes.add(
    `${asking.path}: ${tool} counts as a write; neither its connection nor an answer says otherwise`,
  )
  return 'write'
}

function rulingOn({ world, automation, step }: Passage, classOfCall: 'read' | 'write'): Ruling {
  const { connection, operation, arguments: args } = step.call
  const isUpdate = step.type === 'writeback'
  const { onBehalfOf, ...requester } = world.requester
  return ruleOn(world.policies, {
    connection,
    operation,
    executor: isUpdate ? 'sql' : 'mcp_tool',
    automation,
    class: classOfCall,
    arguments: args,
    ...(isUpdate ? factsOfUpdate(args as unknown as SqlUpdate) : factsOfTool(args)),
    requester: { ...requester, onBehalfOf },
  })
}

function write(passage: Passage, ruling: Ruling, round: number): WriteOutcome {
  const record = recordOf(passage, ruling, round)
  passage.world.writes.push(record)
  if (ruling.effect === 'deny')
    return ended(passage, record, 'refused', {
      code: 'POLICY_DENIED',
      message: `rule ${record.rule} denies it`,
    })
  if (ruling.effect === 'require') {
    const refusal = unlessApproved(passage, record, ruling)
    if (refusal) return refusal
  }
  const answer = answerTo(passage)
  if (!answer.error) return ended(passage, record, 'applied', { output: answer.output ?? null })
  const { code, message } = answer.error
  const status = code === 'WRITE_CONFLICT' ? 'conflict' : 'failed'
  return ended(passage, record, status, { code: codeOf(code), message })
}

function unlessApproved(
  passage: Passage,
  record: WriteRecord,
  { requirement }: Extract<Ruling, { effect: 'require' }>,
): WriteOutcome | null {
  const { world } = passage
  const asked = { writebackId: record.id, requirement, requester: world.requester }
  const decisions = world.fixtures.decisionsOn(record.path)
  const approval = playApproval(asked, decisions, passage.nowMs)
  passage.nowMs = approval.atMs
  record.refused = approval.refused.map(({ code }) => code)
  for (const { code, message } of approval.refused)
    world.notes.add(`${record.path}: a decision does not count: ${code}: ${message}`)
  switch (approval.status) {
    case 'approved':
      return null
    case 'rejected':
      return ended(passage, record, 'rejected', { code: 'REJECTED', message: approval.message })
    case 'expired':
      return ended(passage, record, 'expired', { code: 'EXPIRED', message: approval.message })
    case 'waiting':
      throw new Undecided()
    default:
      return approval.status satisfies never
  }
}

function recordOf({ automation, step, asking }: Passage, ruling: Ruling, round: number): WriteRecord {
  const { connection, operation, arguments: args } = step.call
  return {
    path: asking.path,
    id: writebackIdOf({ runId: automation, path: asking.path, round }),
    connection,
    operation,
    arguments: args,
    rule: ruleName(ruling),
    asks: ruling.effect === 'require' ? ruling.requirement.stages : [],
    status: 'waiting',
    refused: [],
    endsAtMs: Number.POSITIVE_INFINITY,
  }
}

function ended(
  { nowMs }: Passage,
  record: WriteRecord,
  status: WriteStatus,
  what: Pick<WriteOutcome, 'code' | 'message'> & Partial<Pick<WriteOutcome, 'output'>>,
): WriteOutcome {
  record.status = status
  record.endsAtMs = nowMs
  const receipt = { id: `receipt of ${record.path}`, seq: 0, sha256: '' }
  return { kind: 'write', status, writebackId: record.id, output: null, receipt, ...what }
}

function ruleName(ruling: Ruling): string {
  if (ruling.effect !== 'require') return ruling.rule
  return `${ruling.requirement.policy}/${ruling.requirement.rule}`
}

/** A changed row has its new values, if the test does not say otherwise. */
function answerTo({ world, asking, step }: Passage): Outcome {
  const answer = world.fixtures.answerTo(asking)
  if (answer) return answer
  if (step.type === 'writeback') return { output: step.call.arguments['set'] ?? null }
  const { path, connection, tool } = asking
  throw new TestGap(`${path}: no answer for ${connection}.${tool} with ${textOf(asking.arguments)}`)
}

function textOf(args: JsonObject): string {
  return shortened(JSON.stringify(args), 200)
}

function codeOf(code: string): ErrorCode {
  if (isErrorCode(code)) return code
  throw new TestGap(`${code} is none of the codes of the error table`)
}
