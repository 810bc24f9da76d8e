/**
 * Looks from time to time whether the server's definition knows all that this operator does, and says so if not: `helm upgrade` without
 * its definitions, or another chart's older ones, would lose fields in silence. What the server does not tell is not held against it.
 */
import { paxosGroupCrd } from '../../api/crd.ts'
import { missingFields, publishedSchema } from '../../api/served-definition.ts'
import type { World } from '../../runtime/mod.ts'
import type { OperatorMetrics } from '../../telemetry/metrics.ts'
import { PAXOS_GROUPS } from './watches.ts'

const AGAIN_MS = 10 * 60 * 1000

export class DefinitionCheck {
  private readonly world: World
  private readonly metrics: OperatorMetrics
  private readonly ours = schemaOf(paxosGroupCrd({ withCel: false }))
  private said = ''
  private isStopped = false
  private cancel = (): void => {}

  constructor(world: World, metrics: OperatorMetrics) {
    this.world = world
    this.metrics = metrics
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
    try {
      const served = publishedSchema(await kube.openApi(PAXOS_GROUPS), PAXOS_GROUPS)
      if (served === undefined) return
      const missing = missingFields(this.ours, served)
      this.metrics.setDefinitionOutdated(PAXOS_GROUPS.kind, missing.length > 0)
      const fields = missing.join(', ')
      if (fields !== this.said && missing.length > 0)
        log.warn(
          { kind: PAXOS_GROUPS.kind, fields },
          'the server’s definition is older than this operator and drops these fields: apply that of this release',
        )
      this.said = fields
    } catch (error) {
      log.debug({ error: String(error) }, 'the server does not say what its definition is')
    }
  }
}

type Json = ReturnType<typeof paxosGroupCrd>

function schemaOf(crd: Json): Json {
  const { versions } = crd.spec as { versions: readonly [{ schema: { openAPIV3Schema: Json } }] }
  return versions[0].schema.openAPIV3Schema
}
