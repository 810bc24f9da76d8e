/**
 * The API server and our credentials from a kubeconfig: that of the pod's service account, of KUBECONFIG or of the home
 * directory. Authentication (token files that are renewed, exec plugins, client certificates) is the library's. The agent is
 * ours, and one for all requests, or each would shake hands anew; behind a proxy it is the library's.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent, type RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { MAX_SOCKETS } from './bounds.ts'
import type { Endpoint } from './transport.ts'

/** From this file, or from where kubectl would look. */
export function loadKubeConfig(file?: string): KubeConfig {
  const config = new KubeConfig()
  if (file === undefined) config.loadFromDefault()
  else config.loadFromFile(file)
  return config
}

export function endpointOf(config: KubeConfig): Endpoint {
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error(`kubeconfig: the current context ${JSON.stringify(config.getCurrentContext())} names no cluster`)
  const isTls = cluster.server.startsWith('https:')
  const agent = isTls
    ? new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
    : new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  return {
    baseUrl: cluster.server,
    options: async () => {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      if (cluster.proxyUrl === undefined || cluster.proxyUrl === '') options.agent = agent
      return options
    },
  }
}
