/** Ports of the dev stack: what was asked for is what is used; a port that is taken is told with the flag to change it. */
import { choosePort } from '../../scripts/stack/ports.ts'
import { isStillRunning } from '../../scripts/stack/process-identity.ts'
import { readRecord } from '../../scripts/stack/temporal-server.ts'
import { CodedError } from '../../schemas/errors.ts'

export interface PortWishes {
  /** 0: any free one. */
  port: number
  temporalPort: number
  uiPort: number
}

export const DEFAULT_PORTS: PortWishes = { port: 8700, temporalPort: 7233, uiPort: 8233 }

/** Throws when one is taken by somebody else. A Temporal server of ours that was left behind is not somebody else. */
export async function checkPorts(params: {
  wishes: PortWishes
  temporalDbFile: string
  /** Without, the ports of Temporal are not ours to take. */
  ownTemporal: boolean
}): Promise<void> {
  const { wishes, temporalDbFile, ownTemporal } = params
  const record = readRecord(temporalDbFile)
  const left = record !== undefined && isStillRunning(record.identity) ? [record.port, record.uiPort] : []
  await check(wishes.port, 'the API', '--port')
  if (!ownTemporal) return
  if (!left.includes(wishes.temporalPort)) await check(wishes.temporalPort, 'Temporal', '--temporal-port')
  if (!left.includes(wishes.uiPort)) await check(wishes.uiPort, 'the Temporal UI', '--ui-port')
}

async function check(port: number, what: string, flag: string): Promise<void> {
  if (port === 0 || (await choosePort(port)) === port) return
  throw new CodedError(
    'UNAVAILABLE',
    `Port ${port}, for ${what}, is taken by another program. Choose another one with ${flag}; ${flag} 0 takes any free one.`,
  )
}
