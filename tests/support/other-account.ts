/** Calls over a program under another account, made by whoever starts this: a worker that may do less than root. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { SendWindow } from '../../lib/send-window.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { resolveCommand } from '../../mcp/commands.ts'
import { request } from '../mcp/calls.ts'

/** `by`: who changes the account. */
const [folder = '', by = 'entry'] = process.argv.slice(2)
const book = `${folder}/payments`
const program = { command: process.execPath, args: [`${folder}/plain-stdio.mjs`, book], env: {} }
const itself = ['--reuid=1234', '--regid=1234', '--clear-groups', '--', program.command, ...program.args]
const pay =
  by === 'entry' ? { ...program, uid: 1234, gid: 1234 } : { command: 'setpriv', args: itself, env: {} }
const client = createMcpClient()

async function payWhileItStandsStill(): Promise<string> {
  const command = resolveCommand(
    { path: '', commands: { pay } },
    { name: 'pay', organization: 'acme' },
    String,
  )
  const target = { type: 'stdio' as const, poolKey: 'acme', ...command }
  const { structuredContent } = await client.callTool(request(target, 'pid'))
  const { pid } = structuredContent as { pid: number }
  const status = (): string => (existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  writeFileSync(`${folder}/pid`, `${pid}`)
  // Whoever has started this stops the program.
  while (!/^State:\s+T/m.test(status())) await new Promise((resolve) => setTimeout(resolve, 20))
  const window = new SendWindow(500)
  const { deadlineAtMs } = window
  return client.callTool(request(target, 'pay', { arguments: { about: 'me' }, window, deadlineAtMs })).then(
    () => 'paid',
    (error: { code: string; sent: string }) => `${error.code} ${error.sent}`,
  )
}

const said = await payWhileItStandsStill().catch((error: { code: string; message: string }) => error)
await client.close()
console.log(typeof said === 'string' ? said : `${said.code} ${said.message}`)
process.exit(0)
