/**
 * A Kubernetes cluster for tests. With KUBECONFIG it is that one, and only what people may do with any cluster is done. With
 * THERMOCLINE_KUBE_LAB it is a cluster of one machine, made and ended by that command, whose nodes can be crashed. Without
 * either, tests that need one skip with a reason.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ProgramOptions, type ProgramResult, runProgram, tryProgram } from '../program.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const UP_TIMEOUT_MS = 180_000
const BUILD_TIMEOUT_MS = 900_000
const LOAD_TIMEOUT_MS = 180_000

type Where = { readonly kind: 'kubeconfig' } | { readonly kind: 'lab'; readonly command: string }

function whereFrom(env: NodeJS.ProcessEnv): Where | string {
  if ((env.KUBECONFIG ?? '') !== '') return { kind: 'kubeconfig' }
  const command = env.THERMOCLINE_KUBE_LAB ?? ''
  if (command === '') return 'needs a Kubernetes cluster: set KUBECONFIG'
  const path = resolve(ROOT, command)
  return existsSync(path) ? { kind: 'lab', command: path } : `THERMOCLINE_KUBE_LAB: there is no ${path}`
}

/** Why tests skip that need any cluster; false if there is one. */
export function skipWithoutCluster(env: NodeJS.ProcessEnv = process.env): string | false {
  const where = whereFrom(env)
  return typeof where === 'string' ? where : false
}

/** Why tests skip that crash nodes, build images or want a cluster of their own. */
export function skipWithoutLab(env: NodeJS.ProcessEnv = process.env): string | false {
  const where = whereFrom(env)
  return typeof where !== 'string' && where.kind === 'lab'
    ? false
    : 'needs a cluster of its own: set THERMOCLINE_KUBE_LAB, and no KUBECONFIG'
}

/** Folder with helm and kubectl; fetched once. */
export async function kubeTools(): Promise<string> {
  return (await runProgram(join(ROOT, 'scripts/kube-tools.sh'), [])).trim()
}

interface PodPlace {
  readonly spec: { readonly nodeName: string }
  readonly status: { readonly containerStatuses?: readonly { readonly containerID?: string }[] }
}

export class Lab {
  private readonly where: Where
  private readonly tools: string

  private constructor(where: Where, tools: string) {
    this.where = where
    this.tools = tools
  }

  /** @throws Error where skipWithoutCluster() has a reason. */
  static async open(): Promise<Lab> {
    const where = whereFrom(process.env)
    if (typeof where === 'string') throw new Error(where)
    return new Lab(where, where.kind === 'lab' ? '' : await kubeTools())
  }

  /** A cluster of its own, whose nodes can be crashed and which images are made for. */
  get isOwn(): boolean {
    return this.where.kind === 'lab'
  }

  /** Starts a fresh cluster with so many nodes, or the API server alone; with KUBECONFIG there is one already. */
  async up(nodes: number | 'control-plane-only'): Promise<void> {
    if (this.where.kind === 'kubeconfig') return
    const shape = nodes === 'control-plane-only' ? ['--control-plane-only'] : ['--nodes', String(nodes)]
    await this.lab(['up', ...shape], UP_TIMEOUT_MS)
  }

  async down(): Promise<void> {
    if (this.where.kind === 'lab') await this.lab(['down'])
  }

  /** kubectl, for `commandFor`. */
  get kubectlProgram(): string {
    return this.where.kind === 'lab' ? 'kubectl' : join(this.tools, 'kubectl')
  }

  tryKubectl(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
    return this.tool('kubectl', args, options)
  }

  async kubectl(args: readonly string[], options?: ProgramOptions): Promise<string> {
    return must(['kubectl', ...args], await this.tryKubectl(args, options))
  }

  async kubectlJson<T>(args: readonly string[], options?: ProgramOptions): Promise<T> {
    return JSON.parse(await this.kubectl([...args, '--output', 'json'], options)) as T
  }

  async helm(args: readonly string[], options?: ProgramOptions): Promise<string> {
    return must(['helm', ...args], await this.tool('helm', args, options))
  }

  /** Builds the Dockerfile of a folder on one of the lab's images; resolves to the archive's path. */
  async buildImage(tag: string, base: string, folder: string = ROOT): Promise<string> {
    // The archive of that name is made on demand.
    if (base.includes('npm')) await this.lab(['base-image', '--with-npm'], BUILD_TIMEOUT_MS)
    return (await this.lab(['build', '-t', tag, '--base', base, folder], BUILD_TIMEOUT_MS)).trim()
  }

  /** Hands an archive to all nodes, those started later included. */
  async loadImage(archive: string): Promise<void> {
    await this.lab(['load', archive], LOAD_TIMEOUT_MS)
  }

  /** The command that runs a program where it reaches pods and Services, with KUBECONFIG set. */
  commandFor(program: string, args: readonly string[]): [string, string[]] {
    return this.where.kind === 'kubeconfig' ? [program, [...args]] : [this.where.command, ['exec', '--', program, ...args]]
  }

  exec(program: string, args: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
    return tryProgram(...this.commandFor(program, args), options)
  }

  /** SIGKILL to a node, 1 to 9, and all its pods; its disk stays. */
  async crashNode(node: number): Promise<void> {
    await this.lab(['crash', String(node)])
  }

  /** Starts a crashed node again, or a new one. */
  async startNode(node: number): Promise<void> {
    await this.lab(['start', String(node)], UP_TIMEOUT_MS)
  }

  /** SIGKILL to the container of a pod; its kubelet starts another. */
  async killContainer(namespace: string, pod: string): Promise<void> {
    const found = await this.kubectlJson<PodPlace>(['get', 'pod', pod, '--namespace', namespace])
    const id = found.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '')
    if (id === undefined) throw new Error(`${namespace}/${pod} has no container`)
    await this.inNode(Number(found.spec.nodeName.replace(/^n/, '')), ['ctr', '-n', 'k8s.io', 'task', 'kill', '-s', 'SIGKILL', id])
  }

  /** Runs a program inside a node. */
  inNode(node: number, args: readonly string[]): Promise<string> {
    return this.lab(['in', String(node), ...args])
  }

  private tool(name: 'kubectl' | 'helm', args: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
    if (this.where.kind === 'lab') return tryProgram(this.where.command, [name, ...args], { cwd: ROOT, ...options })
    return tryProgram(join(this.tools, name), args, { cwd: ROOT, ...options })
  }

  private lab(args: readonly string[], timeoutMs?: number): Promise<string> {
    if (this.where.kind === 'kubeconfig') throw new Error(`${args[0]} needs the lab; KUBECONFIG names a cluster of somebody else`)
    return runProgram(this.where.command, args, { timeoutMs })
  }
}

function must(command: readonly string[], { code, stdout, stderr }: ProgramResult): string {
  if (code !== 0) throw new Error(`${command.join(' ')}: exit code ${code}\n${stderr}${stdout}`)
  return stdout
}
