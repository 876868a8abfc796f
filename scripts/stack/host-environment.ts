/** The environment this process was started with, for programs that lay it over their own or hand it to children. */

/** Variables that are set and not empty. */
export function hostEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, value] as const],
  )
  return Object.fromEntries(entries)
}
