/** Connections by the CLI, as somebody meets them who has mistyped an address or a program: what is wrong is told at once. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDesk, type Desk } from '../support/cli.ts'

/** Its password is not encoded: read loosely, the host would be the second half of it. */
const MALFORMED_ADDRESS = 'postgres://app:Xk9@Tr0ub4dor/3@host/db'

let desk: Desk
let silent: Server
const sockets: Socket[] = []

beforeAll(async () => {
  silent = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  desk = await openDesk({
    secrets: { MALFORMED_ADDRESS },
    commands: { typo: { command: 'no-such-program-anywhere', args: [] } },
  })
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  silent?.close()
  await desk?.close()
})

function server(url: string, more: object = {}): object {
  return { type: 'mcp', transport: 'http', url, allow_private_addresses: true, ...more }
}

/** Several are one file, as people keep them. */
function fileOf(name: string, specs: Record<string, object>, ...others: object[]): string {
  const manifests = Object.entries(specs).map(([connection, spec]) => ({
    kind: 'Connection',
    name: connection,
    spec,
  }))
  return desk.file(name, [...manifests, ...others])
}

/** What is said of one connection: its line, and the hint below. */
function saidOf(name: string, stderr: string): string {
  const lines = stderr.split('\n')
  const at = lines.findIndex((line) => line.includes(`${name} is saved, and does not work yet`))
  return lines.slice(at, at + 2).join('\n')
}

it('apply says of each connection that does not work yet why, and what to do', async () => {
  const { port } = silent.address() as AddressInfo
  const tables = { orders: { primary_key: ['id'], writable: ['status'] } }
  const path = fileOf('wrong.json', {
    gone: server('http://127.0.0.1:1/mcp'),
    slow: server(`http://127.0.0.1:${port}/mcp`, { timeout: '1s' }),
    absent: { type: 'mcp', transport: 'stdio', command: 'nowhere' },
    typo: { type: 'mcp', transport: 'stdio', command: 'typo' },
    malformed: { type: 'postgres', url: '${secret:MALFORMED_ADDRESS}', tables },
  })
  const { code, stdout, stderr } = await desk.cli(['apply', '-f', path])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toMatch(/Connection +gone +1 +changed/)
  const gone = saidOf('gone', stderr)
  expect(gone).toContain('ECONNREFUSED')
  expect(gone).toContain('Look again: countersign connections check gone')
  expect(gone).not.toContain('allow_private_addresses')
  expect(saidOf('absent', stderr)).toMatch(/has no command nowhere[\s\S]*countersign\.commands\.json/)
  expect(saidOf('typo', stderr)).toMatch(
    /no-such-program-anywhere[\s\S]*install the program that the entry names/,
  )
  expect(saidOf('malformed', stderr)).toContain('%40')
  expect(stderr).not.toContain('Tr0ub4dor')
  // A listing has the time of its connection, and not one of ours.
  expect(saidOf('slow', stderr)).not.toBe('')
  expect(stderr).not.toContain('no answer within')
})

it('an automation that calls several that are away is told about all of them at once', async () => {
  const call = (name: string, connection: string) => ({
    name,
    tool_call: { connection, tool: 'get', arguments: {} },
  })
  const automation = (name: string, ...connections: string[]) => ({
    kind: 'Automation',
    name,
    spec: { steps: connections.map((connection, index) => call(`s${index}`, connection)) },
  })
  const known = fileOf('known.json', {}, automation('of-known', 'gone', 'absent'))
  const fresh = fileOf(
    'fresh.json',
    { first: server('http://127.0.0.1:1/mcp'), second: server('http://127.0.0.1:2/mcp') },
    automation('of-fresh', 'first', 'second'),
  )
  for (const [path, names] of [
    [known, ['gone', 'absent']],
    [fresh, ['first', 'second']],
  ] as const) {
    const { code, stderr } = await desk.cli(['apply', '-f', path])
    expect(code).toBe(1)
    for (const name of names) expect(stderr).toContain(`connection ${name}: `)
  }
  expect((await desk.cli(['automations', 'list'])).stdout).not.toContain('of-')
})

it('apply warns of what nobody could mean, at its place, and saves it all the same', async () => {
  const rule = {
    name: 'r',
    match: { connection: 'tolos' },
    require: { stages: [{ roles: ['laed'], quorum: 1 }] },
  }
  const path = fileOf('nobody.json', {}, { kind: 'Policy', name: 'nobody', spec: { rules: [rule] } })
  const { code, stdout, stderr } = await desk.cli(['apply', '-f', path])
  expect(code).toBe(0)
  expect(stdout).toMatch(/Policy +nobody +1 +changed/)
  expect(stderr).toMatch(/warning \S*nobody\.json:1:\d+ spec\.rules\[0\]\S*: nobody has the role `laed`/)
  expect(stderr).toMatch(/warning \S*nobody\.json:1:\d+ spec\.rules\[0\]\S*: there is no connection `tolos`/)
})

it('what a connection offers is shown, and what is not needed is taken out of use', async () => {
  const { cli } = desk
  expect((await cli(['connections', 'check', 'tools'])).stdout).toMatch(
    /^tools: its server answers a worker, with 3 tools/,
  )
  expect((await cli(['connections', 'show', 'tools'])).stdout).toMatch(
    /Address +http:\/\/127\.0\.0\.1:\d+\/[\s\S]*Tools +3, /,
  )
  const { stdout } = await cli(['connections', 'tools', 'tools'])
  expect(stdout).toMatch(/^look +read \(says its server, which is trusted\)/m)
  expect(stdout).toMatch(/^note +write \(/m)
  const needed = await cli(['manifests', 'remove', 'Connection', 'shop', '--yes'])
  expect(needed).toMatchObject({ code: 1 })
  expect(needed.stderr).toMatch(/STILL_USED[\s\S]*change/)
  expect(await cli(['manifests', 'remove', 'Connection', 'gone'])).toMatchObject({ code: 2 })
  const removed = await cli(['manifests', 'remove', 'Connection', 'gone', '--yes'])
  expect(removed.stdout).toContain('Connection gone is no longer in use')
  expect((await cli(['connections', 'list'])).stdout).not.toMatch(/^gone /m)
})
