/**
 * The page of an execution in the Temporal UI: what its workflow says of itself, and under it the messages that came and
 * could not be used, so that whoever has sent one learns why nothing happened.
 */
import { setCurrentDetails, setDefaultSignalHandler } from '@temporalio/workflow'
import { code } from './details.ts'

export interface Page {
  show: (details: string) => void
  note: (line: string) => void
}

/** Anybody can send any number of messages. */
const MAX_SHOWN = 5

export function createPage(): Page {
  let shown = ''
  let count = 0
  let latest: string[] = []
  const refresh = (): void => {
    const notes = count === 0 ? [] : ['', `Messages that could not be used: ${count}. The latest:`, ...latest]
    setCurrentDetails([shown, ...notes].join('\n'))
  }
  return {
    show: (details) => {
      shown = details
      refresh()
    },
    note: (line) => {
      count++
      latest = [...latest, `- ${line}`].slice(-MAX_SHOWN)
      refresh()
    },
  }
}

/** Only when all other handlers are there: signals that came before are given to it at once. */
export function noteUnknownSignals(page: Page): void {
  setDefaultSignalHandler((name) => page.note(`there is no signal ${code(name)} here`))
}
