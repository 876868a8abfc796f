/**
 * How this deployment's Temporal is reached: one answer for every process that connects, for the client's connection
 * and for the worker's alike. Certificates are read once, so a file that is missing is told at start.
 */
import { readFileSync } from 'node:fs'
import type { TLSConfig } from '@temporalio/client'

/** The part of the configuration that this takes; files are PEM. */
export interface TemporalSettings {
  temporalAddress: string
  temporalApiKey?: string | undefined
  temporalTls?: 'true' | 'false' | undefined
  temporalClientCertFile?: string | undefined
  temporalClientKeyFile?: string | undefined
  temporalServerCaFile?: string | undefined
  temporalServerName?: string | undefined
}

export interface TemporalConnectionOptions {
  address: string
  tls: TLSConfig | false
  apiKey?: string
}

/** With an API key, or anything said about certificates, the connection is over TLS unless `TEMPORAL_TLS` says `false`. */
export function temporalConnection(settings: TemporalSettings): TemporalConnectionOptions {
  const { temporalAddress: address, temporalApiKey: apiKey, temporalTls } = settings
  const tls = tlsOf(settings)
  const isTls = temporalTls === undefined ? apiKey !== undefined || hasEntries(tls) : temporalTls === 'true'
  return { address, tls: isTls ? tls : false, ...(apiKey === undefined ? {} : { apiKey }) }
}

/** Of a client. While Temporal is away gRPC waits ever longer before it looks again, by itself up to two minutes. */
const MAX_RECONNECT_PAUSE_MS = 2_000

/** The connection of a client; a worker's own reconnects as soon as it polls again. */
export function temporalClientConnection(
  settings: TemporalSettings,
): TemporalConnectionOptions & { channelArgs: Record<string, number> } {
  const channelArgs = {
    'grpc.initial_reconnect_backoff_ms': 500,
    'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_PAUSE_MS,
  }
  return { ...temporalConnection(settings), channelArgs }
}

function tlsOf(settings: TemporalSettings): TLSConfig {
  const { temporalClientCertFile, temporalClientKeyFile, temporalServerCaFile, temporalServerName } = settings
  return {
    ...(temporalServerName === undefined ? {} : { serverNameOverride: temporalServerName }),
    ...(temporalServerCaFile === undefined
      ? {}
      : { serverRootCACertificate: read('TEMPORAL_TLS_SERVER_CA_CERT_PATH', temporalServerCaFile) }),
    ...(temporalClientCertFile === undefined || temporalClientKeyFile === undefined
      ? {}
      : {
          clientCertPair: {
            crt: read('TEMPORAL_TLS_CLIENT_CERT_PATH', temporalClientCertFile),
            key: read('TEMPORAL_TLS_CLIENT_KEY_PATH', temporalClientKeyFile),
          },
        }),
  }
}

function hasEntries(tls: TLSConfig): boolean {
  return Object.keys(tls).length > 0
}

function read(variable: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new Error(`${variable} names ${file}, which cannot be read (${reason})`, { cause: error })
  }
}
