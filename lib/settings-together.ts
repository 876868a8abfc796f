/** What is wrong with settings only because of others. As they were said: one that is wrong by itself hides none of it. */
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const TLS_DETAILS = [
  'temporalClientCertFile',
  'temporalClientKeyFile',
  'temporalServerCaFile',
  'temporalServerName',
] as const

type Name = 'codecToken' | 'temporalTls' | (typeof TLS_DETAILS)[number]
type Said = Readonly<Record<string, unknown>>
type Problem = readonly [Name, string]

/** Each under the name of the setting that is to be looked at. */
export function problemsTogether(said: Said): Problem[] {
  return [...codecProblems(said), ...tlsProblems(said)]
}

function codecProblems({ codecToken, host = '127.0.0.1' }: Said): Problem[] {
  if (codecToken === undefined || LOOPBACK.has(String(host).trim())) return []
  return [
    ['codecToken', 'shows all values to whoever has it: only for an API that listens on loopback'] as const,
  ]
}

/** What would connect to Temporal in another way than somebody meant who has set it. */
function tlsProblems(said: Said): Problem[] {
  const { temporalTls, temporalClientCertFile: certificate, temporalClientKeyFile: key } = said
  const withoutTls =
    temporalTls === 'false'
      ? TLS_DETAILS.filter((name) => said[name] !== undefined).map(
          (name) => [name, 'is of no use while TEMPORAL_TLS is false: remove one of them'] as const,
        )
      : []
  return [
    ...(certificate !== undefined && key === undefined
      ? [['temporalClientCertFile', 'needs TEMPORAL_TLS_CLIENT_KEY_PATH too: a pair, or neither'] as const]
      : []),
    ...(certificate === undefined && key !== undefined
      ? [['temporalClientKeyFile', 'needs TEMPORAL_TLS_CLIENT_CERT_PATH too: a pair, or neither'] as const]
      : []),
    ...withoutTls,
  ]
}
