/** Reads Jepsen's log of a single register: `process :invoke|:ok|:fail|:info :read|:write|:cas value`. */
import type { Operation } from './model.ts'
import type { RegisterInput, RegisterOutput } from './register.ts'

const LINE = /jepsen\.util - (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$/

export function parseJepsenLog(text: string): Operation<RegisterInput, RegisterOutput>[] {
  const operations: Operation<RegisterInput, RegisterOutput>[] = []
  const open = new Map<string, { input: RegisterInput; startMs: number }>()
  for (const [line, content] of text.split('\n').entries()) {
    const match = LINE.exec(content)
    if (match === null) continue
    const [, process, type, kind, value] = match as unknown as [string, string, string, string, string]
    if (type === 'invoke') {
      open.set(process, { input: inputOf(kind, value), startMs: line })
      continue
    }
    const invoked = open.get(process)
    if (invoked === undefined) continue
    open.delete(process)
    // A read that failed says nothing, and changes nothing.
    if (kind === 'read' && type !== 'ok') continue
    const output = type === 'info' ? undefined : outputOf(kind, type, value)
    operations.push({ ...invoked, output, endMs: line })
  }
  for (const { input, startMs } of open.values()) operations.push({ input, startMs, output: undefined, endMs: Number.POSITIVE_INFINITY })
  return operations
}

function inputOf(kind: string, value: string): RegisterInput {
  if (kind === 'read') return { kind }
  if (kind === 'write') return { kind, value }
  const [from, to] = value.slice(1, -1).split(' ') as [string, string]
  return { kind: 'cas', from, to }
}

function outputOf(kind: string, type: string, value: string): RegisterOutput {
  if (kind === 'read') return { value: value === 'nil' ? undefined : value }
  return kind === 'cas' ? { done: type === 'ok' } : {}
}
