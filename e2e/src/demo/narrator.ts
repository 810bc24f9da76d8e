/** Tells a person at a terminal what happens, in steps; without a terminal the same, without colours. */

const isTerminal = process.stdout.isTTY && process.env.NO_COLOR === undefined
const paint = (code: string, text: string) => (isTerminal ? `\u001B[${code}m${text}\u001B[0m` : text)

let step = 0

export function tell(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** A new chapter, with what it is about. */
export function chapter(title: string, about: string): void {
  step++
  tell(`\n${paint('1;36', `${step}. ${title}`)}`)
  tell(paint('2', about))
}

/** A command that the reader could type. */
export function command(text: string): void {
  tell(`   ${paint('33', `$ ${text}`)}`)
}

export function detail(text: string): void {
  tell(`   ${text}`)
}

export function good(text: string): void {
  tell(`   ${paint('32', '✓')} ${text}`)
}

export function bad(text: string): void {
  tell(`   ${paint('31', '✗')} ${text}`)
}

export const count = (value: number): string => Math.round(value).toLocaleString('en-US')
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
export const millis = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : count(ms)} ms`
