/** One text for equal JSON values: keys in order, what is undefined left out. Pure; every pass compares what it wants by it. */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  let text = ''
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === '' ? '' : ','}${canonical(item ?? null)}`
    return `[${text}]`
  }
  const fields = value as Readonly<Record<string, unknown>>
  for (const name of Object.keys(fields).sort((a, b) => (a < b ? -1 : 1))) {
    const field = fields[name]
    if (field !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonical(field)}`
  }
  return `{${text}}`
}
