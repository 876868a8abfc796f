/** Limits of work in threads count what a thread has had of a processor, and not how long it was kept waiting. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { endWithUs } from '../support/end-with-us.ts'

const root = new URL('../..', import.meta.url)
const moduleAt = (path: string): string => JSON.stringify(new URL(path, root).href)

/** Each is given 1,000 ms, takes a few hundred, and is begun twice: the first time the thread is started. */
const WORK = {
  'a pattern': {
    source: `
      const { checkValue } = await import(${moduleAt('lib/schema-check.ts')})
      const schema = { type: 'string', pattern: '^(a+)+$' }
      const work = async (n) => (await checkValue(schema, 'a'.repeat(n) + '!', { organization: 'acme' })).misfits.length
      await work(2)
      console.log('began')
      console.log(await work(25))`,
    said: '1',
  },
  'the code of a step': {
    source: `
      const { inSandbox } = await import(${moduleAt('lib/sandbox/pool.ts')})
      const code = 'export default ({ n }) => { let i = 0; while (i < n) i++; return i }'
      const work = async (n) => {
        const request = { kind: 'run', source: code, contextText: JSON.stringify({ n }), timeoutMs: 1000, nowMs: 0 }
        const answer = await inSandbox({ ...request, seed: '0'.repeat(32) }, { organization: 'acme' })
        return answer.outputText ?? answer.code
      }
      await work(2)
      console.log('began')
      console.log(await work(3000000))`,
    said: '3000000',
  },
}

test.each(Object.entries(WORK))(
  '%s that a process sleeps in for longer than its time is ended, not refused',
  async (_name, { source, said }) => {
    const script = `const work = async () => {${source}\nprocess.exit()}\nvoid work()`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    endWithUs(child)
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    expect(await lines.next()).toMatchObject({ value: 'began' })
    await sleep(50)
    child.kill('SIGSTOP')
    await sleep(3_000)
    child.kill('SIGCONT')
    expect(await lines.next()).toMatchObject({ value: said })
  },
)
