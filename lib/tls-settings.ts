/** Whether what is said of the connection to Temporal fits together. */
const TLS_DETAILS = [
  'temporalClientCertFile',
  'temporalClientKeyFile',
  'temporalServerCaFile',
  'temporalServerName',
] as const

type TlsSettings = { [Name in 'temporalTls' | (typeof TLS_DETAILS)[number]]?: string | undefined }

/** What would connect in another way than somebody meant who has set it. */
export function tlsProblems(config: TlsSettings): [keyof TlsSettings, string][] {
  const { temporalTls, temporalClientCertFile: certificate, temporalClientKeyFile: key } = config
  const withoutTls =
    temporalTls === 'false'
      ? TLS_DETAILS.filter((name) => config[name] !== undefined).map(
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
  ].map(([path, message]) => [path, message])
}
