/** The image, built on a base made on this machine: runs as nobody in particular, on a read-only root, and ends when asked. */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Lab, skipWithoutLab } from './lab.ts'

const IMAGE = 'lab.local/thermocline:e2e'
/** A Debian with Node and npm: both stages stand on it. */
const BASE = 'lab.local/node-npm:20'
const START_TIMEOUT_MS = 60_000
const BUILD_TIMEOUT_MS = 1_200_000
const GRACE_SECONDS = 30

const pod = (name: string, args: readonly string[]): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: GRACE_SECONDS,
      securityContext: { runAsNonRoot: true, fsGroup: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'thermocline',
          image: IMAGE,
          imagePullPolicy: 'IfNotPresent',
          args,
          securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  })

interface PodStatus {
  readonly status: {
    readonly phase: string
    readonly containerStatuses?: readonly {
      readonly state: { readonly terminated?: { readonly exitCode: number; readonly reason: string } }
    }[]
  }
}

describe('the image', { skip: skipWithoutLab(), timeout: BUILD_TIMEOUT_MS }, () => {
  let lab: Lab

  before(
    async () => {
      lab = await Lab.open()
      const beganMs = performance.now()
      const archive = await lab.buildImage(IMAGE, BASE)
      const [seconds, megabytes] = [(performance.now() - beganMs) / 1000, statSync(archive).size / 1e6]
      console.log(`built in ${seconds.toFixed(0)} s; ${megabytes.toFixed(0)} MB with its base`)
      await lab.up(1)
      await lab.loadImage(archive)
    },
    { timeout: BUILD_TIMEOUT_MS },
  )
  after(() => lab.down())

  const start = (name: string, args: readonly string[]) => lab.kubectl(['apply', '--filename', '-'], { stdin: pod(name, args) })
  const logs = (name: string) => lab.kubectl(['logs', name])
  const run = (name: string, ...command: string[]) => lab.kubectl(['exec', name, '--', ...command])

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + START_TIMEOUT_MS
    while (!(await holds().catch(() => false))) {
      if (performance.now() > untilMs) assert.fail(`not within ${START_TIMEOUT_MS} ms: ${what}`)
      await delay(200)
    }
  }

  async function ending(name: string): Promise<{ exitCode: number; reason: string } | undefined> {
    const { status } = await lab.kubectlJson<PodStatus>(['get', 'pod', name])
    return status.containerStatuses?.[0]?.state.terminated
  }

  test('tells its version', async () => {
    await start('version', ['--version'])
    await until('the version was told', async () => (await ending('version'))?.exitCode === 0)
    assert.match(await logs('version'), /^\d+\.\d+\.\d+\n$/)
  })

  test('serves as uid 10001 on a read-only root, and ends at SIGTERM with 0', async () => {
    await start('local', ['up', '--data', '/data/local', '--replicas', '1', '--node-memory', '256MiB'])
    await until('the cluster serves', async () => (await logs('local')).includes('Thermocline serves'))
    assert.equal((await run('local', 'id', '-u')).trim(), '10001')
    await assert.rejects(run('local', 'touch', '/opt/thermocline/file'), /Read-only file system/)
    await run('local', 'thermocline', 'append', 'greetings', 'hello')
    assert.match(await run('local', 'thermocline', 'scan', 'greetings'), /hello/)
    await endsAtSigterm('local')
  })

  test('a node listens, waits for its topology, and ends at SIGTERM with 0', async () => {
    const flags = {
      data: '/data',
      group: '0',
      replica: '0',
      cluster: '0123456789abcdef0123456789abcdef',
      listen: '0.0.0.0:7400',
      http: '0.0.0.0:7401',
    }
    await start('node', ['node', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])])
    await until('the node listens', async () => (await logs('node')).includes('"listening"'))
    const { status } = await lab.kubectlJson<{ status: { podIP: string } }>(['get', 'pod', 'node'])
    const health = await lab.exec('curl', ['--silent', '--fail', `http://${status.podIP}:7401/healthz`])
    assert.equal(health.code, 0, health.stderr)
    await endsAtSigterm('node')
  })

  /** The signal that a kubelet sends goes to process 1; a shell in the container sends the same. */
  async function endsAtSigterm(name: string): Promise<void> {
    const beganMs = performance.now()
    await run(name, 'sh', '-c', 'kill -TERM 1')
    await until(`${name} has ended`, async () => (await ending(name)) !== undefined)
    assert.equal((await ending(name))?.exitCode, 0)
    assert.ok(performance.now() - beganMs < GRACE_SECONDS * 1000, 'within its grace period')
  }
})
