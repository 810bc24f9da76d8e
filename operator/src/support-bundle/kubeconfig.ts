/** The kubeconfig that --kubeconfig and --context say, or the one that kubectl would take; errors name the flag. */
import { existsSync } from 'node:fs'
import { ThermoclineError } from '@thermocline/protocol'
import { endpointOf, loadKubeConfig } from '../runtime/kube-config.ts'
import type { Endpoint } from '../runtime/transport.ts'

export interface Cluster {
  readonly endpoint: Endpoint
  readonly context: string
  /** The context's. */
  readonly namespace: string
}

const WITHOUT_KUBERNETES = 'without Kubernetes, --endpoints or --cluster say where the nodes are'

/** @throws ThermoclineError `invalid_argument` */
export function openKubeconfig({ kubeconfig, context }: { kubeconfig: string | undefined; context: string | undefined }): Cluster {
  if (kubeconfig !== undefined && !existsSync(kubeconfig)) {
    throw new ThermoclineError('invalid_argument', `--kubeconfig: ${kubeconfig}: there is no such file; expected a kubeconfig`)
  }
  const { config, isDefault } = load(kubeconfig)
  if (isDefault) {
    throw new ThermoclineError(
      'invalid_argument',
      `--kubeconfig: there is none, and neither KUBECONFIG nor ~/.kube/config; ${WITHOUT_KUBERNETES}`,
    )
  }
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name)
    if (!known.includes(context)) {
      throw new ThermoclineError(
        'invalid_argument',
        `--context: ${JSON.stringify(context)}: expected one of ${known.join(', ') || 'none: the kubeconfig has no contexts'}`,
      )
    }
    config.setCurrentContext(context)
  }
  const current = config.getCurrentContext()
  if (config.getCurrentCluster() === null) {
    throw new ThermoclineError(
      'invalid_argument',
      `--context: ${JSON.stringify(current ?? '')}: names no cluster of the kubeconfig; expected a context that does`,
    )
  }
  return { endpoint: endpointOf(config), context: current, namespace: config.getContextObject(current)?.namespace ?? 'default' }
}

function load(kubeconfig: string | undefined): { config: ReturnType<typeof loadKubeConfig>; isDefault: boolean } {
  try {
    const config = loadKubeConfig(kubeconfig)
    // What the library makes up where there is no kubeconfig at all.
    return {
      config,
      isDefault: config.getCurrentContext() === 'loaded-context' && config.getCurrentCluster()?.server === 'http://localhost:8080',
    }
  } catch (cause) {
    const from = kubeconfig === undefined ? (process.env.KUBECONFIG ?? 'the default one') : kubeconfig
    throw new ThermoclineError(
      'invalid_argument',
      `--kubeconfig: ${from}: cannot be read as a kubeconfig (${(cause as Error).message.split('\n')[0]})`,
      { cause },
    )
  }
}
