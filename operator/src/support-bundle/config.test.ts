import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './config.ts'

test('flags become a source', () => {
  const kubernetes = readConfig(['--namespace=a', '--timeout', '500', '--json'])
  assert.deepEqual(kubernetes, {
    source: {
      kind: 'kubernetes',
      namespace: 'a',
      name: undefined,
      operatorNamespace: 'thermocline-system',
      kubeconfig: undefined,
      context: undefined,
    },
    output: undefined,
    timeoutMs: 500,
    json: true,
  })
  const nodes = readConfig(['--nodes', '--node=g0-r0=127.0.0.1:7401', '--node=[::1]:7401=[::1]:7401', '--miss=topology=a=b', '--output=x'])
  assert.deepEqual(nodes.source, {
    kind: 'nodes',
    nodes: [
      { name: 'g0-r0', http: '127.0.0.1:7401' },
      { name: '[::1]:7401', http: '[::1]:7401' },
    ],
    folder: undefined,
    misses: [{ what: 'topology', reason: 'a=b' }],
  })
})

test('what is wrong is named: flag, value, expectation', () => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['--namespace=Prod_1'], /^--namespace: "Prod_1": expected the name of a namespace/],
    [['--name='], /^--name: "": expected the name of a PaxosGroup/],
    [['--operator-namespace=a/b'], /^--operator-namespace: "a\/b": expected/],
    [['--timeout=5'], /^--timeout: "5": expected milliseconds, 100 to 600000/],
    [['--timeout=1h'], /^--timeout: "1h": expected milliseconds/],
    [['--output='], /^--output: "": expected the name of a file/],
    [['--kubeconfig='], /^--kubeconfig: "": expected a kubeconfig file/],
    [['--frob'], /--frob.*flags: --namespace/],
    [['--namespace=a', '--cluster=b'], /^--namespace: "a": expected none without Kubernetes/],
    [['--nodes', '--node=nothing'], /^--node: \["nothing"\]: expected NAME=HOST:PORT/],
  ]
  for (const [args, says] of wrong) {
    assert.throws(
      () => readConfig(args),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, 'invalid_argument')
        assert.match(error.message, says)
        return true
      },
    )
  }
})
