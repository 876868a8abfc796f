/** Values in commands that people copy into a shell: the one place that quotes them. Pure; workflow code imports it. */

/** Ids and names of ours are plain and stay as they are; anything else stands between quotes, which only itself can end. */
const PLAIN = /^[A-Za-z0-9_.,:/@%+=-]+$/

/** One word of a command line of sh, bash or zsh, whatever is in it. */
export function shellWord(value: string): string {
  // A word that begins with a dash would be an option, quoted or not: no id or name of ours does.
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}
