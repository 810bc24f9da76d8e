/**
 * Looks from time to time whether the server's definition knows all that this operator does, and says so if not: `helm upgrade` without
 * its definitions, or another chart's older ones, would lose fields in silence. What the server does not tell is not held against it.
 */
import { type Kind, resourceSchema } from '../api/crd.ts'
import { missingFields, publishedSchema } from '../api/served-definition.ts'
import type { Resource, World } from '../runtime/mod.ts'
import type { OperatorMetrics } from '../telemetry/metrics.ts'

const AGAIN_MS = 10 * 60 * 1000

export class DefinitionCheck {
  private readonly world: World
  private readonly metrics: OperatorMetrics
  private readonly resource: Resource
  private readonly ours: Json
  private said = ''
  private isStopped = false
  private cancel = (): void => {}

  constructor(world: World, metrics: OperatorMetrics, kind: Kind, resource: Resource) {
    this.world = world
    this.metrics = metrics
    this.resource = resource
    this.ours = resourceSchema(kind)
  }

  start(): void {
    void this.look().finally(() => {
      if (!this.isStopped) this.cancel = this.world.clock.after(AGAIN_MS, () => this.start())
    })
  }

  stop(): void {
    this.isStopped = true
    this.cancel()
  }

  private async look(): Promise<void> {
    const { kube, log } = this.world
    const { kind } = this.resource
    try {
      const served = publishedSchema(await kube.openApi(this.resource), this.resource)
      if (served === undefined) return
      const missing = missingFields(this.ours, served)
      this.metrics.setDefinitionOutdated(kind, missing.length > 0)
      const fields = missing.join(', ')
      if (fields !== this.said && missing.length > 0)
        log.warn({ kind, fields }, 'the server’s definition is older than this operator and drops these fields: apply that of this release')
      this.said = fields
    } catch (error) {
      log.debug({ error: String(error) }, 'the server does not say what its definition is')
    }
  }
}

type Json = ReturnType<typeof resourceSchema>
