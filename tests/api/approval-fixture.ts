/** Stands for an approval workflow where the test is about the API: it answers, records nothing, and ends when told to. */
import { condition, defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow'
import type { DecisionAnswer, DecisionMessage } from '../../schemas/run.ts'

const decide = defineUpdate<DecisionAnswer, [DecisionMessage]>('decide')
const approve = defineSignal<[DecisionMessage]>('approve')
const reject = defineSignal<[DecisionMessage]>('reject')
const received = defineQuery<DecisionMessage[]>('received')
const end = defineSignal('end')

export async function approvalWorkflow(): Promise<void> {
  const messages: DecisionMessage[] = []
  let isOver = false
  setHandler(received, () => messages)
  setHandler(approve, (message) => void messages.push(message))
  setHandler(reject, (message) => void messages.push(message))
  setHandler(end, () => {
    isOver = true
  })
  setHandler(decide, (message) => {
    messages.push(message)
    if (message.verdict === 'approve') return { accepted: true, state: 'approved', message: 'approved' }
    return { accepted: false, state: 'waiting', code: 'SELF_APPROVAL', message: 'you asked for it' }
  })
  await condition(() => isOver)
}
