/** `make bench`: Thermocline beside etcd, in turn, on one machine and one disk. Method and reading: docs/performance.md. */
import { join } from 'node:path'
import { startThermocline } from './cluster.ts'
import { type Options, parseOptions, USAGE } from './options.ts'
import { startEtcd } from './peers/etcd.ts'
import { setUpEtcd } from './peers/etcd-setup.ts'
import { ownVersion, publish, ROOT, runProgram, say } from './program.ts'
import { formatResults } from './report.ts'
import type { Results } from './results.ts'
import { idleCores, runAll } from './run.ts'
import { inSession } from './session.ts'
import { chooseWorkloads } from './workloads.ts'

async function measure(options: Options): Promise<Results> {
  const workloads = chooseWorkloads(options.only, options.isQuick)
  const loader = setUpEtcd(say)
  return await inSession(options.folder, async ({ folder, machine, loadBefore, add }) => {
    say('starting etcd and thermocline')
    const etcd = await add(startEtcd(join(folder, 'etcd'), loader))
    const ours = await add(startThermocline(join(folder, 'thermocline'), ownVersion(), say))
    const idle = await idleCores([etcd, ours])
    const rows = await runAll(ours, etcd, { workloads, rounds: options.rounds, seconds: options.seconds }, say)
    return {
      name: 'thermocline beside etcd',
      date: new Date().toISOString(),
      machine,
      versions: { [ours.name]: ours.version, [etcd.name]: etcd.version },
      rounds: options.rounds,
      secondsPerRun: options.seconds,
      loadBefore,
      idleCores: idle,
      rows,
    }
  })
}

runProgram(USAGE, async (args) => {
  const options = parseOptions(args, { out: join(ROOT, 'bench/results/latest.json'), folder: join(ROOT, 'bench/.cache') })
  return publish(await measure(options), options, formatResults)
})
