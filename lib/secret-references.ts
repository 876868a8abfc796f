/** `${secret:NAME}` in texts of configuration: where a secret goes, never what it is. */

const REFERENCE = /\$\{secret:([A-Za-z0-9_.-]+)\}/g

/** In one pass, so that a secret that looks like a reference is not taken for one. */
export function fillSecrets(text: string, resolve: (name: string) => string): string {
  return text.replace(REFERENCE, (_reference, name: string) => resolve(name))
}

export function secretNames(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name)
}
