/** `get`, `put`, `append`, `delete` and `scan`: one call each. */
import { readFile } from 'node:fs/promises'
import type { StoredRecord } from '@thermocline/client'
import { MAX_VALUE_BYTES, ThermoclineError } from '@thermocline/protocol'
import type { Command } from 'commander'
import { addClusterOptions, type ClusterOptions, parseWhole, withClient } from '../options.ts'
import { printJson, printLine, valueFields } from '../report.ts'

const ID_HELP = 'record id, <ms>-<seq>'

interface ValueOptions extends ClusterOptions {
  readonly file?: string
}

interface ConditionOptions {
  readonly ifAbsent?: true
  readonly ifVersion?: number
}

interface ScanCommandOptions extends ClusterOptions {
  readonly from?: string
  readonly to?: string
  readonly limit?: number
  readonly oldestFirst?: true
}

export function addRecordCommands(program: Command): void {
  const version = parseWhole(1, 2 ** 48 - 1)

  addClusterOptions(
    program.command('get').description('print the value of a record').argument('<series>').argument('<id>', ID_HELP),
  ).action(get)

  addClusterOptions(
    program
      .command('put')
      .description('write a record; without a value it is read from --file or standard input')
      .argument('<series>')
      .argument('<id>', ID_HELP)
      .argument('[value]')
      .option('--file <path>', 'read the value from a file')
      .option('--if-absent', 'only if there is no such record')
      .option('--if-version <version>', 'only if the record has this version', version),
  ).action(put)

  addClusterOptions(
    program
      .command('append')
      .description('write a record under a new id, which is printed')
      .argument('<series>')
      .argument('[value]')
      .option('--file <path>', 'read the value from a file'),
  ).action(append)

  addClusterOptions(
    program
      .command('delete')
      .description('remove a record')
      .argument('<series>')
      .argument('<id>', ID_HELP)
      .option('--if-version <version>', 'only if the record has this version', version),
  ).action(remove)

  addClusterOptions(
    program
      .command('scan')
      .description('print records of a series, newest first')
      .argument('<series>')
      .option('--from <id>', 'lowest id, inclusive')
      .option('--to <id>', 'highest id, inclusive')
      .option('--limit <n>', 'most records', parseWhole(1, 0xffffffff))
      .option('--oldest-first', 'in the order of ids'),
  ).action(scan)
}

async function get(series: string, id: string, options: ClusterOptions): Promise<void> {
  const record = await withClient(options, (client) => client.get(series, id))
  if (record === undefined) throw new ThermoclineError('not_found', `get: series ${JSON.stringify(series)} has no record ${id}`)
  if (options.json === true) {
    printJson({ series, id: record.id, version: record.version, ...valueFields(record.value) })
    return
  }
  process.stdout.write(record.value)
  if (process.stdout.isTTY) printLine()
}

async function put(series: string, id: string, value: string | undefined, options: ValueOptions & ConditionOptions): Promise<void> {
  const { ifAbsent, ifVersion } = options
  const content = await readValue(value, options.file)
  const { version } = await withClient(options, (client) => client.put(series, id, content, { ifAbsent, ifVersion }))
  if (options.json === true) printJson({ series, id, version })
  else printLine(`version ${version}`)
}

async function append(series: string, value: string | undefined, options: ValueOptions): Promise<void> {
  const content = await readValue(value, options.file)
  const { id, version } = await withClient(options, (client) => client.append(series, content))
  if (options.json === true) printJson({ series, id, version })
  else printLine(id)
}

async function remove(series: string, id: string, options: ClusterOptions & ConditionOptions): Promise<void> {
  const answer = await withClient(options, (client) => client.delete(series, id, { ifVersion: options.ifVersion }))
  if (options.json === true) printJson({ series, id, ...answer })
  else printLine(answer.existed ? 'removed' : 'there was no such record')
}

async function scan(series: string, options: ScanCommandOptions): Promise<void> {
  const { from, to, limit, oldestFirst } = options
  await withClient(options, async (client) => {
    for await (const record of client.scan(series, { from, to, limit, reverse: oldestFirst !== true })) {
      if (options.json === true) printJson({ id: record.id, version: record.version, ...valueFields(record.value) })
      else printLine(`${record.id}\t${asText(record)}`)
      if (process.stdout.writableNeedDrain) await new Promise((resolve) => process.stdout.once('drain', resolve))
    }
  })
}

/** Text as it is, on one line; other bytes as hexadecimal. */
function asText({ value }: StoredRecord): string {
  const fields = valueFields(value)
  if (fields.text === undefined) return `0x${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`
  return fields.text.replace(/\r?\n/g, '⏎')
}

async function readValue(value: string | undefined, file: string | undefined): Promise<string | Uint8Array> {
  if (value !== undefined && file !== undefined) throw new ThermoclineError('invalid_argument', '--file: excludes a value as argument')
  if (value !== undefined) return value
  if (file === undefined) return readStdin()
  try {
    return await readFile(file)
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `--file: ${file} cannot be read (${(cause as Error).message})`, { cause })
  }
}

async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) {
    throw new ThermoclineError('invalid_argument', 'value: is missing; give it as argument, with --file, or on standard input')
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_VALUE_BYTES) {
      throw new ThermoclineError('invalid_argument', `value: standard input has more than ${MAX_VALUE_BYTES} bytes`)
    }
  }
  return Buffer.concat(chunks)
}
