import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCommandFile, resolveCommand } from '../../mcp/commands.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-commands-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function fileWith(content: string): Promise<string> {
  const path = join(directory, 'countersign.commands.json')
  await writeFile(path, content)
  return path
}

const secrets = new Map([
  ['TOKEN', '${secret:OTHER}'],
  ['OTHER', 'never'],
])
const resolveSecret = (name: string): string => secrets.get(name) ?? 'missing'

describe('the command file', () => {
  it('gives a command with its secrets filled in, once', async () => {
    const env = { AUTH: 'Bearer ${secret:TOKEN}', MODE: 'plain' }
    const path = await fileWith(JSON.stringify({ commands: { files: { command: 'node', env } } }))
    const file = await loadCommandFile(path)
    expect(resolveCommand(file, { name: 'files', organization: 'acme' }, resolveSecret)).toEqual({
      name: 'files',
      command: 'node',
      args: [],
      env: { AUTH: 'Bearer ${secret:OTHER}', MODE: 'plain' },
    })
  })

  it('has no command that it does not list, whatever objects inherit', async () => {
    const file = await loadCommandFile(await fileWith('{"commands":{}}'))
    for (const name of ['files', 'constructor', '__proto__']) {
      const resolving = () => resolveCommand(file, { name, organization: 'acme' }, resolveSecret)
      expect(resolving).toThrow(expect.objectContaining({ code: 'COMMAND_NOT_FOUND' }))
    }
  })

  it('is several where several are named: the first that has a name counts, and each may be missing', async () => {
    const own = await fileWith(JSON.stringify({ commands: { files: { command: 'own' } } }))
    const other = join(directory, 'example.json')
    const content = { commands: { files: { command: 'other' }, notes: { command: 'notes' } } }
    await writeFile(other, JSON.stringify(content))
    const file = await loadCommandFile(`${join(directory, 'missing.json')}, ${own},${other}`)
    const commandOf = (name: string) => resolveCommand(file, { name, organization: 'acme' }, String).command
    expect([commandOf('files'), commandOf('notes')]).toEqual(['own', 'notes'])
    expect(() => commandOf('nothing')).toThrow(own)
  })

  it('has for others no command that is for some organizations', async () => {
    const content = { commands: { files: { command: 'node', organizations: ['acme'] } } }
    const file = await loadCommandFile(await fileWith(JSON.stringify(content)))
    const resolving = (organization: string) => resolveCommand(file, { name: 'files', organization }, String)
    expect(resolving('acme').command).toBe('node')
    expect(() => resolving('rival')).toThrow(expect.objectContaining({ code: 'COMMAND_NOT_FOUND' }))
  })

  it('starts a program under another account, which then cannot read what the worker has, or not at all', async () => {
    const secret = join(directory, 'receipt.key.pem')
    await writeFile(secret, 'the key', { mode: 0o600 })
    const read = ['-c', 'id -u; cat "$1" "/proc/$PPID/environ"', 'sh', secret]
    const content = { commands: { spy: { command: '/bin/sh', args: read, uid: 65_534, gid: 65_534 } } }
    const file = await loadCommandFile(await fileWith(JSON.stringify(content)))
    const resolving = () => resolveCommand(file, { name: 'spy', organization: 'acme' }, String)
    if (process.getuid?.() !== 0) return expect(resolving).toThrow('CAP_KILL')
    const { command, args } = resolving()
    const { stdout, status } = spawnSync(command, args, { encoding: 'utf8' })
    expect(status).not.toBe(0)
    expect(stdout).toBe('65534\n')
  })

  it('is empty when it does not exist', async () => {
    const file = await loadCommandFile(join(directory, 'absent.json'))
    expect(file.commands).toEqual({})
  })

  it('is refused when it has another form, without quoting what it holds', async () => {
    for (const content of [
      '{"commands":{"x":{"command":1}}}',
      '{"commands": s3cret',
      '{"commands":{},"more":1}',
    ]) {
      const loading = loadCommandFile(await fileWith(content))
      await expect(loading).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
      await expect(loading).rejects.not.toThrow('s3cret')
    }
  })
})
