/** A client of scripted replicas for tests of what one replica's silence, or refusals, cost. */
import type { TestContext } from 'node:test'
import { blockOf, encodeSeries, placementOf, replicaOrder } from '@thermocline/protocol'
import { type Client, connect } from './client.ts'
import { type ScriptedNode, startScripted } from './scripted-node.fixture.ts'

const { slot } = placementOf(1)

/** Which of the replicas is asked first about the series. */
export const firstOf = (series: string, replicas: number): number =>
  replicaOrder(slot[blockOf(encodeSeries(series))] as number, replicas)[0] as number

/** `first` is the replica that requests about "alice" ask first; the stamp of its block is known. */
export async function connectScripted(
  t: TestContext,
  replicas: number,
  timeouts: { readonly attemptTimeoutMs: number; readonly defaultTimeoutMs: number },
): Promise<{ client: Client; nodes: readonly ScriptedNode[]; first: ScriptedNode }> {
  const { nodes, stop } = await startScripted(replicas)
  const client = await connect({ endpoints: nodes.map((node) => node.address), ...timeouts })
  t.after(async () => {
    client.close()
    await stop()
  })
  await client.put('alice', '1', 'x')
  return { client, nodes, first: nodes[firstOf('alice', replicas)] as ScriptedNode }
}

export const countOf = (node: ScriptedNode, wanted: number): number => node.requests.filter(({ operation }) => operation === wanted).length
