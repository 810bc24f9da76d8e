/**
 * Collects from a Kubernetes cluster, with the rights of whoever runs it, in four steps that each build on the one before: what
 * the server is and which kinds of ours it knows; where resources of ours are; the objects of each namespace, and the operator's;
 * logs and pages of the pods found. A step that fails leaves a line in the index and the others to be done.
 */
import { API_GROUP, API_VERSION, MEMORY_GROUP, PAXOS_GROUP } from '../api/names.ts'
import type { KubeObject, Resource } from '../runtime/ports.ts'
import { resourceName } from '../runtime/resources.ts'
import { MAX_NAMESPACES } from './bounds.ts'
import { HttpRefusal } from './http-text.ts'
import { KINDS, OLDER_VERSIONS } from './kinds.ts'
import type { KubeReader, Listed, ListScope } from './kube-reader.ts'
import { pathOf } from './paths.ts'
import type { Collecting, Content, Item } from './ports.ts'
import { redactObject } from './redact-object.ts'
import {
  type Asked,
  askedOfNode,
  askedOfOperator,
  eventLines,
  isAttachmentOf,
  isNameOfOurs,
  isNodePod,
  isOperators,
  isOrServes,
  isVolumeOf,
  labelSelectorOf,
  leaseNames,
  logsOf,
  OPERATOR_SELECTOR,
  secretNames,
  silenceOf,
  subjectOf,
} from './selection.ts'

export interface KubernetesOptions {
  /** Undefined: wherever there are resources of ours. */
  readonly namespace: string | undefined
  /** Undefined: all of them. */
  readonly name: string | undefined
  readonly operatorNamespace: string
  /** Of the kubeconfig's context: looked into where one may not look into all. */
  readonly contextNamespace: string
}

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`
const listOf = (items: readonly KubeObject[]): string => json({ apiVersion: 'v1', kind: 'List', items: items.map(redactObject) })

export async function collectKubernetes(reader: KubeReader, to: Collecting, options: KubernetesOptions): Promise<void> {
  await new KubernetesCollector(reader, to, options).run()
}

class KubernetesCollector {
  private readonly reader: KubeReader
  private readonly to: Collecting
  private readonly options: KubernetesOptions

  constructor(reader: KubeReader, to: Collecting, options: KubernetesOptions) {
    this.reader = reader
    this.to = to
    this.options = options
  }

  async run(): Promise<void> {
    this.to.say('the API server and the definitions')
    if (!(await this.isReached())) return
    const kinds = await this.ownKinds()
    const namespaces = await this.findNamespaces(kinds)
    await Promise.all([
      this.operator(),
      this.cluster(namespaces),
      ...[...namespaces].map(([namespace, names]) => this.namespace(namespace, names, kinds)),
    ])
  }

  /** Without an answer to this there is none to anything, and no use in waiting for dozens of time-outs. */
  private async isReached(): Promise<boolean> {
    let isSilent = false
    const read = async (): Promise<Content> => {
      try {
        return { body: json(await this.reader.json('/version')) }
      } catch (error) {
        isSilent = !(error instanceof HttpRefusal)
        throw error
      }
    }
    await this.to.add({ path: 'kubernetes/version.json', source: 'GET /version', isContext: true, read })
    return !isSilent
  }

  /** What the server calls our kinds, so that those of other versions are found, too; and their definitions. */
  private async ownKinds(): Promise<Resource[]> {
    const version = `/apis/${API_GROUP}/${API_VERSION}`
    const served = (await this.context('kubernetes/our-kinds.json', version)) as { resources?: ServedKind[] } | undefined
    const kinds = (served?.resources ?? [PAXOS_GROUP, MEMORY_GROUP].map(({ plural, kind }) => ({ name: plural, kind, namespaced: true })))
      .filter(({ name }) => !name.includes('/'))
      .map(({ name, kind, namespaced }) => ({ group: API_GROUP, version: API_VERSION, plural: name, kind, namespaced }))
    await this.to.addAll(
      kinds.map(({ plural }) => {
        const at = { name: `${plural}.${API_GROUP}` }
        return {
          path: pathOf('kubernetes', 'customresourcedefinitions', `${at.name}.json`),
          source: `get customresourcedefinition ${at.name}`,
          read: async () => ({ body: json(redactObject(await this.reader.get(KINDS.customResourceDefinitions, at))) }),
        }
      }),
    )
    return kinds
  }

  /** Namespaces with resources of ours, and the resources' names. */
  private async findNamespaces(kinds: readonly Resource[]): Promise<Map<string, string[]>> {
    const { namespace, name, contextNamespace } = this.options
    const found = new Map<string, string[]>(namespace === undefined ? [] : [[namespace, []]])
    let isKnown = true
    for (const kind of kinds) {
      const items = await this.find(kind, namespace)
      isKnown &&= items !== undefined
      for (const resource of items ?? []) {
        const { namespace: at = '', name: one } = resource.metadata
        if (name === undefined || isOrServes(resource, name)) found.set(at, [...new Set([...(found.get(at) ?? []), one])])
      }
    }
    if ([...found.values()].flat().length === 0) {
      const wanted = name === undefined ? 'no resource of ours' : `no resource named ${name}`
      const where = namespace ?? 'any namespace that may be looked into'
      const source = `list ${kinds.map(resourceName).join(', ')}`
      // What could not be listed is noted where it is tried again.
      if (isKnown) this.to.miss('namespaces', source, `there is ${wanted} in ${where}; --namespace and --name say which`)
      if (found.size === 0) found.set(contextNamespace, [])
      // What a deleted resource has left is found by its name.
      if (name !== undefined) for (const at of found.keys()) found.set(at, [name])
    }
    for (const at of [...found.keys()].slice(MAX_NAMESPACES)) {
      found.delete(at)
      this.to.leaveOut(pathOf('namespaces', at), `namespace ${at}`, `over ${MAX_NAMESPACES} namespaces; --namespace says which`)
    }
    return found
  }

  /** Everywhere, or where the context points if that is not allowed; undefined if it cannot be known. */
  private async find(kind: Resource, namespace: string | undefined): Promise<readonly KubeObject[] | undefined> {
    try {
      return (await this.reader.list(kind, { namespace })).items
    } catch (error) {
      if (namespace !== undefined || !(error instanceof HttpRefusal) || error.status !== 403) return undefined
      const { contextNamespace } = this.options
      this.to.miss(
        'namespaces',
        `list ${resourceName(kind)} of all namespaces`,
        `${error.message}; looked into ${contextNamespace} instead`,
      )
      return this.find(kind, contextNamespace)
    }
  }

  private async namespace(namespace: string, names: readonly string[], kinds: readonly Resource[]): Promise<void> {
    const { name } = this.options
    this.to.say(`namespace ${namespace}: ${names.length === 0 ? 'objects' : names.join(', ')}`)
    const folder = ['namespaces', namespace]
    const ours = { namespace, labelSelector: labelSelectorOf(name === undefined ? undefined : names) }
    const list = (kind: Resource, scope: ListScope = ours) => this.list(folder, kind, scope)
    const isNamed = ({ metadata }: KubeObject): boolean => name === undefined || names.includes(metadata.name)
    const [pods] = await Promise.all([
      list(KINDS.pods),
      ...kinds.map((kind) => list(kind, { namespace, keep: isNamed })),
      list(KINDS.statefulSets),
      list(KINDS.services),
      list(KINDS.endpointSlices),
      list(KINDS.persistentVolumeClaims),
      list(KINDS.podDisruptionBudgets),
      list(KINDS.configMaps),
      list(KINDS.serviceAccounts),
      list(KINDS.networkPolicies),
      this.events(folder, namespace, (event) => isNameOfOurs(subjectOf(event), names)),
    ])
    const isOurs = ({ metadata }: KubeObject): boolean => isNameOfOurs(metadata.name, names)
    await Promise.all([
      this.secrets(folder, namespace, isOurs, pods),
      this.pods(folder, pods, (pod) => (isNodePod(pod) ? askedOfNode(pod) : [])),
    ])
  }

  private async operator(): Promise<void> {
    const namespace = this.options.operatorNamespace
    this.to.say(`the operator in ${namespace}`)
    const folder = ['operator']
    const ours = { namespace, labelSelector: OPERATOR_SELECTOR, keep: isOperators }
    const list = (kind: Resource) => this.list(folder, kind, ours)
    const [pods, deployments] = await Promise.all([
      list(KINDS.pods),
      list(KINDS.deployments),
      list(KINDS.replicaSets),
      list(KINDS.services),
      list(KINDS.podDisruptionBudgets),
      list(KINDS.networkPolicies),
      list(KINDS.serviceAccounts),
    ])
    if (pods.length === 0 && deployments.length === 0) {
      this.to.miss(
        'operator',
        `namespace ${namespace}`,
        `no operator was found in namespace ${namespace}; --operator-namespace says where it is`,
      )
    }
    const leases = leaseNames(pods)
    const starts = [...deployments.map(({ metadata }) => metadata.name), ...leases]
    const isAbout = (name: string): boolean => starts.some((start) => name === start || name.startsWith(`${start}-`))
    await Promise.all([
      ...[...leases].map((name) => this.object(folder, KINDS.leases, namespace, name)),
      this.events(folder, namespace, (event) => isAbout(subjectOf(event))),
      this.secrets(folder, namespace, ({ metadata }) => isAbout(metadata.name), pods),
      this.pods(folder, pods, askedOfOperator),
    ])
  }

  /** What has no namespace: volumes of our claims, whom they are attached to, classes, nodes. */
  private async cluster(namespaces: ReadonlyMap<string, readonly string[]>): Promise<void> {
    this.to.say('nodes and volumes')
    const folder = ['kubernetes']
    const [volumes] = await Promise.all([
      this.list(folder, KINDS.persistentVolumes, { keep: (volume) => isVolumeOf(volume, namespaces) }),
      this.list(folder, KINDS.nodes, {}),
      this.list(folder, KINDS.storageClasses, {}),
    ])
    const names = new Set(volumes.map(({ metadata }) => metadata.name))
    await this.list(folder, KINDS.volumeAttachments, { keep: (attachment) => isAttachmentOf(attachment, names) })
  }

  /** Logs of all containers, and pages. */
  private async pods(folder: readonly string[], pods: readonly KubeObject[], asked: (pod: KubeObject) => readonly Asked[]): Promise<void> {
    this.to.say(`${folder.join(' ')}: logs and pages of ${pods.length} ${pods.length === 1 ? 'pod' : 'pods'}`)
    await this.to.addAll(pods.flatMap((pod) => [...this.logs(folder, pod), ...this.pages(folder, pod, asked(pod))]))
  }

  private logs(folder: readonly string[], pod: KubeObject): Item[] {
    const { name, namespace = '' } = pod.metadata
    return logsOf(pod).map(({ container, previous }) => ({
      path: pathOf(...folder, 'pods', name, `${container}${previous ? '.previous' : ''}.log`),
      source: `log of ${namespace}/${name}, container ${container}${previous ? ', before its restart' : ''}`,
      read: () => this.reader.log(pod, container, previous),
    }))
  }

  private pages(folder: readonly string[], pod: KubeObject, asked: readonly Asked[]): Item[] {
    const { name, namespace = '' } = pod.metadata
    const silence = silenceOf(pod)
    return asked.flatMap(({ port, path, file }) => {
      const at = pathOf(...folder, 'pods', name, file)
      const source = `GET ${path} of ${namespace}/${name}, port ${port}`
      if (silence === undefined) return [{ path: at, source, read: () => this.reader.page(pod, port, path) }]
      this.to.leaveOut(at, source, silence)
      return []
    })
  }

  private async list(folder: readonly string[], kind: Resource, scope: ListScope): Promise<readonly KubeObject[]> {
    const where = scope.namespace === undefined ? '' : ` of ${scope.namespace}`
    return this.listed(pathOf(...folder, `${kind.plural}.json`), `list ${resourceName(kind)}${where}`, async () => {
      const { items, partial } = await this.listServed(kind, scope)
      return { items, content: { body: listOf(items), partial } }
    })
  }

  private async listServed(kind: Resource, scope: ListScope): Promise<Listed> {
    try {
      return await this.reader.list(kind, scope)
    } catch (error) {
      const version = OLDER_VERSIONS[kind.plural]
      if (version === undefined || !(error instanceof HttpRefusal) || error.status !== 404) throw error
      return this.reader.list({ ...kind, version }, scope)
    }
  }

  private async events(folder: readonly string[], namespace: string, keep: (event: KubeObject) => boolean): Promise<void> {
    let items: readonly KubeObject[] = []
    const source = `list events of ${namespace}`
    await this.listed(pathOf(...folder, 'events.json'), source, async () => {
      const listed: Listed = await this.reader.list(KINDS.events, { namespace, keep })
      items = listed.items
      return { items, content: { body: listOf(items), partial: listed.partial } }
    })
    if (items.length > 0)
      await this.to.add({ path: pathOf(...folder, 'events.txt'), source, read: async () => ({ body: eventLines(items) }) })
  }

  private async secrets(
    folder: readonly string[],
    namespace: string,
    isOurs: (object: KubeObject) => boolean,
    pods: readonly KubeObject[],
  ): Promise<void> {
    await this.to.add({
      path: pathOf(...folder, 'secret-names.json'),
      source: `list names of secrets of ${namespace}`,
      read: async () => {
        const { items, partial } = await this.reader.names(KINDS.secrets, { namespace })
        return { body: json(secretNames(items, isOurs, pods)), partial }
      },
    })
  }

  private async object(folder: readonly string[], kind: Resource, namespace: string, name: string): Promise<void> {
    await this.to.add({
      path: pathOf(...folder, kind.plural, `${name}.json`),
      source: `get ${resourceName(kind)} ${namespace}/${name}`,
      read: async () => ({ body: json(redactObject(await this.reader.get(kind, { namespace, name }))) }),
    })
  }

  /** A list is an item, and what comes next is chosen by it: nothing, if it cannot be had. */
  private async listed(
    path: string,
    source: string,
    read: () => Promise<{ items: readonly KubeObject[]; content: Content }>,
  ): Promise<readonly KubeObject[]> {
    let items: readonly KubeObject[] = []
    const item: Item = {
      path,
      source,
      read: async () => {
        const found = await read()
        items = found.items
        return found.content
      },
    }
    await this.to.add(item)
    return items
  }

  private async context(path: string, url: string): Promise<unknown> {
    let document: unknown
    const read = async (): Promise<Content> => {
      document = await this.reader.json(url)
      return { body: json(document) }
    }
    await this.to.add({ path, source: `GET ${url}`, isContext: true, read })
    return document
  }
}

interface ServedKind {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}
