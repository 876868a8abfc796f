import { describe, expect, it } from 'vitest'
import {
  approvalIdOf,
  approvalWorkflowId,
  idPart,
  isApprovalOf,
  MESSAGES,
  roundOf,
  runWorkflowId,
  subRunKeyOf,
  SEARCH_ATTRIBUTES,
  TASK_QUEUE,
  WORKFLOW_TYPES,
  writebackIdOf,
  writebackWorkflowId,
} from '../../schemas/names.ts'

const UUID = '0199f0a2-7b1c-7c3e-9d2f-3a1b2c3d4e5f'

describe('names on the wire', () => {
  it('are never renamed: histories and operators know them', () => {
    expect({ TASK_QUEUE, ...WORKFLOW_TYPES, ...MESSAGES, ...SEARCH_ATTRIBUTES }).toEqual({
      TASK_QUEUE: 'countersign',
      automation: 'CountersignAutomation',
      writeback: 'writebackWorkflow',
      approval: 'approvalWorkflow',
      inspectConnection: 'inspectConnectionWorkflow',
      resolution: 'resolutionWorkflow',
      reconcile: 'reconcileWorkflow',
      retention: 'retentionWorkflow',
      dryRun: 'dryRunWorkflow',
      approveSignal: 'approve',
      rejectSignal: 'reject',
      answerSignal: 'answer',
      decideUpdate: 'decide',
      resolveSignal: 'resolve',
      resolveUpdate: 'resolveNow',
      getRunQuery: 'getRun',
      getWritebackQuery: 'getWriteback',
      getApprovalQuery: 'getApproval',
      org: 'CountersignOrg',
      trigger: 'CountersignTrigger',
      connection: 'CountersignConnection',
      state: 'CountersignState',
    })
    expect(WORKFLOW_TYPES.automation).toBe('automationWorkflow')
  })
})

describe('a part of an id', () => {
  it.each(['acme', 'late-fee', 'A.b_c-9', 'x'.repeat(80)])('that is plain stays: %s', (text) => {
    expect(idPart(text)).toBe(text)
  })

  it('that is not plain, or too long, is made so, and stays different from others', () => {
    const texts = [
      'a b',
      'a/b',
      'a-b',
      'a\nb',
      'ä',
      'ö',
      'each[3].notify',
      'each[4].notify',
      'x'.repeat(81),
      'x'.repeat(82),
    ]
    const parts = texts.map(idPart)
    expect(new Set(parts).size).toBe(texts.length)
    for (const part of parts) {
      expect(part).toMatch(/^[A-Za-z0-9_.-]+$/)
      expect(part.length).toBeLessThanOrEqual(89)
    }
  })

  it('is the same every time', () => {
    expect(idPart('each[3].notify')).toBe('each-3-.notify-ac345fbc')
  })
})

describe('ids', () => {
  const longest = 'o'.repeat(63)

  it('name what they are of', () => {
    expect(runWorkflowId({ organization: 'acme', automation: 'late-fee', deliveryId: 'dlv_1' })).toBe(
      'run/acme/late-fee/dlv_1',
    )
    const writebackId = writebackIdOf({ runId: UUID, path: 'waive', round: 1 })
    expect(writebackId).toBe(`wb_${UUID}.waive.1`)
    expect(writebackWorkflowId({ organization: 'acme', writebackId })).toBe(`writeback/acme/${writebackId}`)
    expect(approvalIdOf({ writebackId, ask: 1 })).toBe(writebackId)
    expect(approvalIdOf({ writebackId, ask: 2 })).toBe(`${writebackId}/ask2`)
    expect(approvalWorkflowId({ organization: 'acme', approvalId: writebackId })).toBe(
      `approval/acme/${writebackId}`,
    )
  })

  it('differ by path and by round', () => {
    const id = (path: string, round: number): string => writebackIdOf({ runId: UUID, path, round })
    expect(new Set([id('a', 1), id('a', 2), id('b', 1), id('each[1].a', 1), id('each[2].a', 1)]).size).toBe(5)
  })

  it('tell every item of every loop from every other, however deep it stands', () => {
    const long = `${'outer_loop_with_a_long_name'.repeat(2)}[7].${'inner_loop_with_a_long_name'.repeat(2)}`
    const paths = ['each', 'each_1', long].flatMap((loop) =>
      Array.from({ length: 1_000 }, (_, index) => [
        `${loop}[${index}].notify`,
        `${loop}[${index}].pick.otherwise.a`,
      ]).flat(),
    )
    const ids = paths.map((path) => writebackIdOf({ runId: UUID, path, round: 1 }))
    expect(new Set(ids).size).toBe(paths.length)
    expect(ids[0]).toBe(`wb_${UUID}.each.0.notify.1`)
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_.-]{1,200}$/)
    expect(subRunKeyOf({ runId: UUID, path: 'each[3].sub' })).toBe(`${UUID}.each.3.sub`)
  })

  it('are those of a round and of an approval, or of none', () => {
    const writebackId = writebackIdOf({ runId: 'run_0f', path: 'each[3].waive', round: 2 })
    expect(writebackId).toBe('wb_0f.each.3.waive.2')
    expect(roundOf({ runId: 'run_0f', path: 'each[3].waive', writebackId })).toBe(2)
    for (const id of [
      `${writebackId}0000`,
      writebackId.replace('.2', '.02'),
      `${writebackId}'`,
      'wb_0f.each.4.waive.2',
    ])
      expect(roundOf({ runId: 'run_0f', path: 'each[3].waive', writebackId: id })).toBeNull()
    for (const approvalId of [writebackId, `${writebackId}/ask2`, `${writebackId}/ask10`])
      expect(isApprovalOf({ writebackId, approvalId })).toBe(true)
    for (const approvalId of [
      '',
      `${writebackId}/ask1`,
      `${writebackId}/ask11`,
      `${writebackId}'; x`,
      `${writebackId}/ask2\n`,
    ])
      expect(isApprovalOf({ writebackId, approvalId })).toBe(false)
  })

  it('stay under 250 bytes with the longest names', () => {
    const writebackId = writebackIdOf({ runId: UUID, path: 'p'.repeat(200), round: 9 })
    const approvalId = approvalIdOf({ writebackId, ask: 10 })
    const id = approvalWorkflowId({ organization: longest, approvalId })
    expect(Buffer.byteLength(id)).toBeLessThan(250)
  })
})
