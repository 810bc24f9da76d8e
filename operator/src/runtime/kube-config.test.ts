import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import { endpointOf } from './kube-config.ts'

function configOf(server: string, user: object): KubeConfig {
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [{ name: 'c', server, caData: Buffer.from('an authority').toString('base64'), skipTLSVerify: false }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  })
  return config
}

test('a token becomes a header, certificates become options, and one agent serves all requests', async () => {
  const byToken = endpointOf(configOf('https://server:6443', { token: 'secret' }))
  const [first, second] = [await byToken.options(), await byToken.options()]
  assert.equal(byToken.baseUrl, 'https://server:6443')
  assert.equal((first.headers as Record<string, string>).Authorization, 'Bearer secret')
  assert.equal(String(first.ca), 'an authority')
  assert.ok(first.agent !== undefined && first.agent === second.agent)
  const certData = Buffer.from('a certificate').toString('base64')
  const byCertificate = endpointOf(configOf('https://server:6443', { certData, keyData: certData }))
  assert.equal(String((await byCertificate.options()).cert), 'a certificate')
})

test('a kubeconfig without a cluster says so', () => {
  assert.throws(() => endpointOf(new KubeConfig()), /names no cluster/)
})
