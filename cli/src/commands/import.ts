/** `thermocline import`: records from NDJSON or CSV. */
import { createReadStream, statSync } from 'node:fs'
import { extname } from 'node:path'
import { ThermoclineError } from '@thermocline/protocol'
import { type Command, Option } from 'commander'
import { ExitCode } from '../exit-codes.ts'
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from '../import/checkpoint.ts'
import { readCsv } from '../import/csv.ts'
import { Importer } from '../import/importer.ts'
import { readNdjson } from '../import/lines.ts'
import type { Mapping } from '../import/mapping.ts'
import { Progress } from '../import/progress.ts'
import { RejectFile } from '../import/rejects.ts'
import { addClusterOptions, type ClusterOptions, open, parseWhole } from '../options.ts'
import { formatCount, printJson, printLine } from '../report.ts'

interface ImportCommandOptions extends ClusterOptions {
  readonly series: string
  readonly time: string
  readonly value?: string
  readonly timeUnit: 'ms' | 's'
  readonly format?: 'ndjson' | 'csv'
  readonly state?: string
  readonly rejects?: string
  readonly inFlight: number
}

export function addImport(program: Command): void {
  const command = addClusterOptions(
    program
      .command('import')
      .description('write records from NDJSON or CSV; started again, it goes on where it was')
      .argument('[file]', 'the input; - or nothing for standard input', '-')
      .requiredOption('--series <field>', 'field with the series, or =NAME for one series')
      .requiredOption('--time <field>', 'field with the time: ISO 8601 or a number')
      .option('--value <field>', 'field with the value (default: the whole line, for CSV as JSON)')
      .addOption(new Option('--time-unit <unit>', 'of times that are numbers').choices(['ms', 's']).default('ms'))
      .addOption(new Option('--format <format>', 'default: by the file’s name, else ndjson').choices(['ndjson', 'csv']))
      .option('--state <path>', 'where to keep how far it came (default: <file>.import-state; none for standard input)')
      .option('--rejects <path>', 'where to keep lines that are no records (default: <file>.rejects)')
      .option('--in-flight <n>', 'records written at a time', parseWhole(1, 65_536), 1024),
  )
  for (const option of command.options) if (option.long === '--timeout') option.default(60_000)
  command.addHelpText(
    'after',
    `
A record's id is its time and, for records of one series and time, their number in the input: importing the same input
again writes the same records.

  thermocline import events.ndjson --series user.name --time at
  thermocline import sales.csv --series =sales --time date --value amount`,
  )
  command.action(run)
}

async function run(file: string, options: ImportCommandOptions): Promise<void> {
  const source = describeSource(file, options)
  const client = await open(options)
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  let progress: Progress | undefined
  const beganMs = performance.now()
  try {
    const resumeAt = source.statePath === undefined ? undefined : readCheckpoint(source.statePath, source.mappingName)
    const rejects = new RejectFile(source.rejectsPath, resumeAt?.line ?? 0, (line) => progress?.note(line))
    const importer = new Importer(client, {
      mapping: source.mapping,
      mappingName: source.mappingName,
      inFlight: options.inFlight,
      resumeAt,
      rejects,
      onCheckpoint: (checkpoint) => {
        if (source.statePath !== undefined) writeCheckpoint(source.statePath, checkpoint)
      },
      signal: stop.signal,
    })
    progress = new Progress(importer.figures, source.totalBytes, options.json === true)
    if (resumeAt !== undefined && options.json !== true) progress.note(`going on at line ${resumeAt.line + 1}, byte ${resumeAt.offset}`)
    await importer.run(source.read())
    progress.end()
    finish(importer, source, options, { isStopped: stop.signal.aborted, tookMs: performance.now() - beganMs })
  } catch (error) {
    progress?.end()
    if (source.statePath !== undefined && options.json !== true) process.stderr.write('the same command goes on where this one ended\n')
    throw error
  } finally {
    process.removeListener('SIGINT', onSignal)
    process.removeListener('SIGTERM', onSignal)
    client.close()
  }
}

interface Source {
  readonly mapping: Mapping
  readonly mappingName: string
  readonly totalBytes: number | undefined
  readonly statePath: string | undefined
  readonly rejectsPath: string
  read(): ReturnType<typeof readNdjson>
}

/** @throws ThermoclineError `invalid_argument` */
function describeSource(file: string, options: ImportCommandOptions): Source {
  const isStdin = file === '-'
  const format = options.format ?? (extname(file).toLowerCase() === '.csv' ? 'csv' : 'ndjson')
  const { series, time, value, timeUnit } = options
  if (series === '' || series === '=') throw new ThermoclineError('invalid_argument', '--series: expected a field, or = and a name')
  let totalBytes: number | undefined
  if (!isStdin) {
    try {
      totalBytes = statSync(file).size
    } catch (cause) {
      throw new ThermoclineError('invalid_argument', `import: ${file} cannot be read (${(cause as Error).message})`, { cause })
    }
  }
  const chunks = () => (isStdin ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })) as AsyncIterable<Uint8Array>
  return {
    mapping: { series, time, value, timeUnit, wholeLine: format === 'ndjson' },
    mappingName: JSON.stringify({ format, series, time, value, timeUnit }),
    totalBytes,
    statePath: options.state ?? (isStdin ? undefined : `${file}.import-state`),
    rejectsPath: options.rejects ?? (isStdin ? 'stdin.rejects' : `${file}.rejects`),
    read: () => (format === 'csv' ? readCsv(chunks()) : readNdjson(chunks())),
  }
}

function finish(
  importer: Importer,
  source: Source,
  options: ImportCommandOptions,
  { isStopped, tookMs }: { isStopped: boolean; tookMs: number },
): void {
  const { records, rejected, line } = importer.figures
  if (isStopped) process.exitCode = ExitCode.failed
  else if (source.statePath !== undefined) removeCheckpoint(source.statePath)
  if (options.json === true) {
    printJson({
      records,
      rejected,
      lines: line,
      stopped: isStopped,
      tookMs: Math.round(tookMs),
      rejects: rejected > 0 ? source.rejectsPath : null,
    })
    return
  }
  const rejects = rejected === 0 ? '' : `; ${formatCount(rejected)} lines rejected, kept in ${source.rejectsPath}`
  printLine(`${isStopped ? 'stopped' : 'done'}: ${formatCount(records)} records in ${(tookMs / 1000).toFixed(1)} s${rejects}`)
  if (isStopped && source.statePath !== undefined) printLine('the same command goes on from here')
}
