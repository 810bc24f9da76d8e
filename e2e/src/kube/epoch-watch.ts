/** When the operator named each epoch: the moment that the ConfigMap said so, before any node was told. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Lab } from './lab.ts'

export class EpochWatch {
  /** Unix milliseconds, by epoch. */
  readonly named = new Map<number, number>()
  private readonly child: ChildProcess

  constructor(lab: Lab, configMap: string) {
    const format = 'jsonpath={.data.epoch}{"\\n"}'
    const [program, args] = lab.commandFor(lab.kubectlProgram, ['get', 'configmap', configMap, '--watch', '--output', format])
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.child = child
    createInterface({ input: child.stdout }).on('line', (line) => {
      const epoch = Number(line)
      if (epoch > 0 && !this.named.has(epoch)) this.named.set(epoch, Date.now())
    })
  }

  async close(): Promise<void> {
    const closed = once(this.child, 'close')
    this.child.kill()
    await closed
  }
}
