/**
 * Makes one bundle: opens the file, lets the source fill it, ends it with the index. Clock, terminal and rights are handed in, so
 * that tests run the very same.
 */
import { resolve } from 'node:path'
import { ThermoclineError } from '@thermocline/protocol'
import { TarArchive } from './archive.ts'
import { Collection, type CollectionOptions } from './collection.ts'
import type { KubernetesSource, NodesSource, SupportBundleConfig } from './config.ts'
import { counts, helps, indexJson, indexText, type Summary, shortcomings } from './index-page.ts'
import { KubeReader } from './kube-reader.ts'
import type { Cluster } from './kubeconfig.ts'
import { collectKubernetes } from './kubernetes.ts'
import { collectFolder, tokenOf } from './local-folder.ts'
import { machineFacts, runtimeFacts } from './machine.ts'
import { collectNodes } from './nodes.ts'
import { bundleName } from './paths.ts'
import type { Entry } from './ports.ts'

/** Where nodes keep their version caches. */
const SHARED_MEMORY = '/dev/shm'

export interface SupportBundleParts {
  readonly version: string
  readonly nowMs: () => number
  readonly wallMs: () => number
  readonly say: (line: string) => void
  readonly openKubeconfig: (source: KubernetesSource) => Promise<Cluster>
  /** Told of a file that is begun, so that it can be removed if the process is ended. */
  readonly onBegun?: (archive: TarArchive) => void
  readonly bounds?: Pick<CollectionOptions, 'totalMs' | 'maxBytes' | 'parallel'>
}

export interface Made {
  readonly path: string
  readonly bytes: number
  readonly tookMs: number
  readonly entries: readonly Entry[]
}

/** @throws ThermoclineError `invalid_argument` for what a flag says, `unavailable` if nothing that helps could be collected. */
export async function makeSupportBundle(config: SupportBundleConfig, parts: SupportBundleParts): Promise<Made> {
  const startedMs = parts.nowMs()
  const { source } = config
  const cluster = source.kind === 'kubernetes' ? await parts.openKubeconfig(source) : undefined
  const madeAt = new Date(parts.wallMs()).toISOString()
  const name = bundleName(madeAt)
  const archive = await TarArchive.create(resolve(config.output ?? `${name}.tar.gz`), name)
  parts.onBegun?.(archive)
  try {
    const collection = new Collection({ archive, nowMs: parts.nowMs, say: parts.say, ...parts.bounds })
    await addVersion(collection, parts.version)
    if (source.kind === 'nodes') await fromNodes(source, collection, config.timeoutMs)
    else await fromKubernetes(source, cluster as Cluster, collection, config.timeoutMs)
    const { entries } = collection
    if (!helps(entries)) throw nothingCollected(source, entries)
    const tookMs = Math.round(parts.nowMs() - startedMs)
    const summary: Summary = { thermocline: parts.version, madeAt, tookMs, from: collection.clean(originOf(source, cluster)) }
    await archive.add('index.json', Buffer.from(indexJson(summary, entries)))
    await archive.add('index.txt', Buffer.from(indexText(summary, entries)))
    return { path: archive.path, bytes: await archive.finish(), tookMs, entries }
  } catch (error) {
    await archive.discard()
    throw error
  }
}

/** What a program is told of a bundle, as one line of JSON. */
export function madeJson({ path, bytes, tookMs, entries }: Made): object {
  return {
    path,
    bytes,
    tookMs,
    ...counts(entries),
    missing: shortcomings(entries).map(({ path: at, state, reason }) => ({ path: at, state, reason })),
  }
}

function addVersion(collection: Collection, version: string): Promise<void> {
  const body = `${JSON.stringify({ thermocline: version, ...runtimeFacts() }, undefined, 2)}\n`
  return collection.add({ path: 'version.json', source: 'this program', isContext: true, read: async () => ({ body }) })
}

async function fromKubernetes(source: KubernetesSource, cluster: Cluster, collection: Collection, timeoutMs: number): Promise<void> {
  const endpoint = {
    baseUrl: cluster.endpoint.baseUrl,
    options: async () => {
      const options = await cluster.endpoint.options()
      // What we are let in with is nobody else's, should it ever come back to us.
      for (const secret of credentialsIn(options)) collection.hide(secret)
      return options
    },
  }
  const { namespace, name, operatorNamespace } = source
  await collectKubernetes(new KubeReader(endpoint, timeoutMs), collection, {
    namespace,
    name,
    operatorNamespace,
    contextNamespace: cluster.namespace,
  })
}

function credentialsIn({ headers, auth }: { headers?: unknown; auth?: string | null | undefined }): string[] {
  const { Authorization, authorization } = (headers ?? {}) as Record<string, unknown>
  const header = String(Authorization ?? authorization ?? '')
  return [header.split(' ').at(-1) ?? '', auth?.slice(auth.indexOf(':') + 1) ?? ''].filter((secret) => secret !== '')
}

async function fromNodes({ nodes, folder, misses }: NodesSource, collection: Collection, timeoutMs: number): Promise<void> {
  const token = folder === undefined ? undefined : await tokenOf(folder)
  if (token !== undefined) collection.hide(token)
  for (const { what, reason } of misses) collection.miss(what, what, reason)
  const read = async () => ({ body: `${JSON.stringify(await machineFacts([folder ?? '.', SHARED_MEMORY]), undefined, 2)}\n` })
  await collection.add({ path: 'machine.json', source: 'this machine', isContext: true, read })
  await Promise.all([collectNodes(nodes, collection, timeoutMs), folder === undefined ? undefined : collectFolder(folder, collection)])
}

const originOf = (source: KubernetesSource | NodesSource, cluster: Cluster | undefined): string => {
  if (source.kind === 'kubernetes') return `Kubernetes, context ${cluster?.context} at ${cluster?.endpoint.baseUrl}`
  return source.folder === undefined ? `${source.nodes.length} nodes` : `the folder ${source.folder}`
}

function nothingCollected(source: KubernetesSource | NodesSource, entries: readonly Entry[]): ThermoclineError {
  const reasons = [...new Set(shortcomings(entries).map(({ source: asked, reason }) => `${asked}: ${reason}`))]
  const first = reasons[0] ?? 'there was nothing to ask'
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more like it)` : ''
  const next =
    source.kind === 'kubernetes'
      ? 'see that `kubectl get paxosgroups -A` works with the same --kubeconfig and --context, and which rights docs/support-bundle.md asks for; without Kubernetes, --endpoints or --cluster say where the nodes are'
      : 'see that --endpoints names ports of nodes that run, or --cluster the folder of `thermocline up`'
  return new ThermoclineError('unavailable', `nothing could be collected: ${first}${more}\n  ${next}`)
}
