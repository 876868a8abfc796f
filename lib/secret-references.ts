/** `${secret:NAME}` in texts of configuration: where a secret goes, never what it is. */

const REFERENCE = /\$\{secret:([A-Za-z0-9_.-]+)\}/g

/** In one pass, so that a secret that looks like a reference is not taken for one. */
export function fillSecrets(text: string, resolve: (name: string) => string): string {
  return text.replace(REFERENCE, (_reference, name: string) => resolve(name))
}

/**
 * In an address: a secret that is only a part of it, such as a password, is percent-encoded. As it is, an `@` or `/` in
 * it would make its other half the name of a host, which errors name.
 */
export function fillSecretsInUrl(url: string, resolve: (name: string) => string): string {
  const isWhole = isOneSecret(url)
  return fillSecrets(url, (name) => (isWhole ? resolve(name) : encodeURIComponent(resolve(name))))
}

/** Then nothing of it is in the manifest: not its host either. */
export function isOneSecret(text: string): boolean {
  return secretNames(text).length === 1 && text.replace(REFERENCE, '') === ''
}

export function secretNames(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name)
}
