/**
 * The storage tier on a real Kubernetes, as a person would run it: installed by helm, made by one PaxosGroup, written and read
 * through its Service, and then everything that happens to a cluster, under load whose history is checked, and while the
 * operator is killed.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runProgram, tryProgram } from '../program.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { EpochWatch } from './epoch-watch.ts'
import type { Right } from './granted-verbs.ts'
import { Lab, skipWithoutCluster, skipWithoutLab } from './lab.ts'
import { OperatorWatch } from './operator-watch.ts'
import {
  claimOfReplica,
  conditionOf,
  MEMORY_RIGHTS,
  NAME,
  OPERATOR_NAMESPACE,
  podOfReplica,
  REPLICAS,
  type Resource,
  replicasOf,
  SERVICE,
  StorageCluster,
} from './storage-cluster.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const skip = skipWithoutCluster()
const needsLab = skipWithoutLab()
/** One more than replicas: a lost one finds another. */
const NODES = REPLICAS + 1
const EVERYTHING_MS = 40 * 60_000
const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1000).toFixed(1)
const versionsOf = (resource: Resource): Set<string | undefined> => new Set(replicasOf(resource).map(({ version }) => version))

interface Claim {
  readonly metadata: { readonly deletionTimestamp?: string; readonly annotations?: Readonly<Record<string, string>> }
}

let lab: Lab
let cluster: StorageCluster
let watch: OperatorWatch
/** Alerts that fired and ended since the last test told of them. */
const told: string[] = []

describe('storage tier on Kubernetes', { skip, timeout: EVERYTHING_MS }, () => {
  before(async () => {
    lab = await Lab.open()
    await lab.up(NODES)
    cluster = await StorageCluster.make(lab)
    watch = await OperatorWatch.start(lab, OPERATOR_NAMESPACE, (line) => told.push(line))
  })
  afterEach((t) => {
    for (const line of told.splice(0)) (t as TestContext).diagnostic(line)
  })
  after(async () => {
    await watch?.stop()
    await lab.down()
  })

  test('one resource makes a cluster, which serves through its Service', async (t) => {
    const beganMs = performance.now()
    await cluster.apply()
    await cluster.settled()
    t.diagnostic(`available after ${seconds(beganMs)} s`)
    const id = (await cluster.inPod(0, ['append', '--endpoints', SERVICE, 'alice', 'hello'])).trim()
    assert.equal((await cluster.inPod(1, ['get', '--endpoints', SERVICE, 'alice', id])).trim(), 'hello')
    assert.match(await lab.kubectl(['get', 'pxg', NAME]), /Running/)
    await lab.helm(['test', 'thermocline', '--namespace', OPERATOR_NAMESPACE])
  })

  test('growth is refused in words until a release can move data, and what runs goes on', async () => {
    await lab.kubectl(['scale', 'paxosgroup', NAME, '--replicas', '2'])
    const refused = await cluster.untilStatus('refused', (one) => conditionOf(one, 'Accepted')?.status === 'False')
    assert.match(conditionOf(refused, 'Accepted')?.message ?? '', /spec\.groups: the cluster has 1, 2 are wanted; .*set it back to 1/)
    assert.equal(conditionOf(refused, 'Available')?.status, 'True')
    await watch.alerts.fires('ThermoclinePaxosGroupDegraded')
    await lab.kubectl(['scale', 'paxosgroup', NAME, '--replicas', '1'])
    await cluster.settled()
    await watch.alerts.isOver('ThermoclinePaxosGroupDegraded', 'ThermoclineOperatorNoLeader', 'ThermoclineOperatorDown')
  })

  test('bad resources are refused, by the server or in a condition, with what to do', async () => {
    const byServer = await lab.tryKubectl(['apply', '--filename', '-'], { stdin: cluster.manifest({ replicas: 7 }, 'seven') })
    assert.notEqual(byServer.code, 0)
    assert.match(byServer.stderr, /spec\.replicas.*should be less than or equal to 5/s)
    const even = await lab.tryKubectl(['apply', '--filename', '-'], { stdin: cluster.manifest({ replicas: 4 }, 'four') })
    const expected = /spec\.replicas: must be 3 or 5/
    // A server with CEL refuses it at once; the operator of an older one says so in a condition.
    if (even.code !== 0) return assert.match(even.stderr, expected)
    const refused = await cluster.untilStatus('refused', (one) => conditionOf(one, 'Accepted') !== undefined, 'four')
    assert.match(conditionOf(refused, 'Accepted')?.message ?? '', expected)
    await lab.kubectl(['delete', 'paxosgroup', 'four'])
  })

  test('a pod is deleted under load', async (t) => {
    await cluster.underLoad(t, async () => {
      const uid = await cluster.uidOf('pod', podOfReplica(1))
      await lab.kubectl(['delete', 'pod', podOfReplica(1), '--wait=false'])
      await cluster.killOperator()
      if (lab.isOwn) await watch.alerts.fires('ThermoclineOperatorNoLeader')
      await cluster.until('a new pod', async () => {
        const found = await cluster.uidOf('pod', podOfReplica(1))
        return found !== undefined && found !== uid ? true : undefined
      })
      await cluster.settled()
    })
  })

  test('a pod and its claim are deleted under load: it learns under a new incarnation, and votes again', async (t) => {
    await cluster.underLoad(t, async () => {
      const beganMs = performance.now()
      await lab.kubectl(['delete', 'pvc', claimOfReplica(2), '--wait=false'])
      await lab.kubectl(['delete', 'pod', podOfReplica(2), '--wait=false'])
      await cluster.killOperator()
      const resource = await cluster.settled((one) => replicasOf(one)[2]?.incarnation?.startsWith('1:') === true)
      assert.equal(replicasOf(resource)[2]?.mode, 'Voter')
      t.diagnostic(`a voter again after ${seconds(beganMs)} s`)
    })
  })

  test('another build is rolled out under load, while the operator that leads is killed', async (t) => {
    const [before] = versionsOf(await cluster.read())
    await cluster.underLoad(t, async () => {
      const beganMs = performance.now()
      await cluster.apply({ image: cluster.images.second })
      await cluster.untilStatus('mixed', (one) => versionsOf(one).has(before) && versionsOf(one).size === 2)
      await cluster.killOperator()
      await cluster.settled((one) => !versionsOf(one).has(before) && versionsOf(one).size === 1)
      t.diagnostic(`rolled out after ${seconds(beganMs)} s`)
    })
  })

  test('a broken image stops after one replica, and is mended by writing a good one', async (t) => {
    await cluster.underLoad(t, async () => {
      await cluster.apply({ image: `${cluster.images.second}-nowhere` })
      const stuck = await cluster.untilStatus('stuck', (one) => /ErrImage|ImagePull/.test(conditionOf(one, 'Degraded')?.message ?? ''))
      await cluster.killOperator()
      assert.equal(conditionOf(stuck, 'Available')?.status, 'True')
      assert.equal(replicasOf(stuck).filter(({ mode }) => mode === 'Voter').length, REPLICAS - 1)
      await cluster.apply({ image: cluster.images.second })
      await cluster.settled()
    })
  })

  test('a node is drained under load, and comes back', async (t) => {
    await cluster.underLoad(t, async () => {
      const [first, second] = [await cluster.nodeOf(1), await cluster.nodeOf(2)]
      const drain = (node: string, timeout: string) =>
        lab.tryKubectl(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout', timeout])
      const drained = await drain(first, '120s')
      assert.equal(drained.code, 0, drained.stderr)
      await cluster.killOperator()
      // A second drain would take the majority: the budget refuses it.
      const refused = await drain(second, '5s')
      assert.notEqual(refused.code, 0)
      assert.match(refused.stderr, /disruption budget/)
      await lab.kubectl(['uncordon', first, second])
      await cluster.settled()
    })
  })

  test('an operator without its rights, and one that somebody works against, are told of', async () => {
    const binding = `${OPERATOR_NAMESPACE}-thermocline-operator`
    const role = await lab.kubectl(['get', 'clusterrolebinding', binding, '--output', 'json'])
    await watch.alerts.isOver('ThermoclineReconcileFailing', 'ThermoclineReconcileLoopHot')
    await lab.kubectl(['delete', 'clusterrolebinding', binding])
    try {
      await watch.alerts.fires('ThermoclineReconcileFailing')
    } finally {
      await lab.kubectl(['create', '--filename', '-'], { stdin: role.replace(/"(?:resourceVersion|uid)": "[^"]*",?/g, '') })
    }
    const clientService = SERVICE.split('.')[0] as string
    let isOver = false
    const others = (async () => {
      while (!isOver) await lab.kubectl(['label', 'service', clientService, '--overwrite', 'app.kubernetes.io/component=mine'])
    })()
    try {
      await watch.alerts.fires('ThermoclineReconcileLoopHot')
    } finally {
      isOver = true
      await others
    }
    await cluster.settled()
  })

  test('volumes grow without a restart, whatever is under way', async () => {
    const uids = await Promise.all([0, 1, 2].map((replica) => cluster.uidOf('pod', podOfReplica(replica))))
    const className = await lab.kubectl(['get', 'pvc', claimOfReplica(0), '--output', 'jsonpath={.spec.storageClassName}'])
    await lab.kubectl(['patch', 'storageclass', className, '--patch', '{"allowVolumeExpansion":true}'])
    await cluster.apply({ image: cluster.images.second, storage: { size: '3Gi' } })
    await cluster.untilStatus('growing', (one) => one.status?.jobs?.some(({ type }) => type === 'VolumeGrowth') === true)
    for (const replica of [0, 1, 2]) {
      await cluster.until('asked for', async () => {
        const asked = await lab.kubectl(['get', 'pvc', claimOfReplica(replica), '--output', 'jsonpath={.spec.resources.requests.storage}'])
        return asked === '3Gi' ? true : undefined
      })
      // What a volume's driver does: the lab's has no limit to raise.
      const grown = JSON.stringify({ status: { capacity: { storage: '3Gi' } } })
      if (lab.isOwn)
        await lab.kubectl(['patch', 'pvc', claimOfReplica(replica), '--subresource', 'status', '--type', 'merge', '--patch', grown])
    }
    await cluster.settled()
    const template = 'jsonpath={.spec.volumeClaimTemplates[0].spec.resources.requests.storage}'
    assert.equal(await lab.kubectl(['get', 'statefulset', `${NAME}-g0`, '--output', template]), '3Gi')
    assert.deepEqual(await Promise.all([0, 1, 2].map((replica) => cluster.uidOf('pod', podOfReplica(replica)))), uids)
    await cluster.noteRights()
  })

  test('a node is lost under load: its replica learns anew on another', { skip: needsLab }, async (t) => {
    const node = await cluster.nodeOf(2)
    const epochWatch = new EpochWatch(lab, `${NAME}-bootstrap`)
    try {
      const { epochs } = await cluster.underLoad(t, async () => {
        const beganMs = performance.now()
        await lab.crashNode(numberOf(node))
        await cluster.untilStatus('waiting', (one) => one.status?.jobs?.some(({ type }) => type === 'Recovery') === true)
        t.diagnostic(`recovery began after ${seconds(beganMs)} s`)
        await cluster.settled((one) => replicasOf(one)[2]?.incarnation?.startsWith('2:') === true)
        t.diagnostic(`a voter again, on ${await cluster.nodeOf(2)} instead of ${node}, after ${seconds(beganMs)} s`)
      })
      // The replica's zone is another now, which is a new topology.
      const newest = Math.max(...epochWatch.named.keys())
      const tookMs = (epochs[newest] ?? Number.POSITIVE_INFINITY) - (epochWatch.named.get(newest) as number)
      t.diagnostic(`topology ${newest} in every client's hands ${tookMs} ms after it was named`)
      assert.ok(newest > 1 && tookMs < 20_000, `epoch ${newest}, ${tookMs} ms`)
    } finally {
      await epochWatch.close()
      await lab.startNode(numberOf(node))
    }
  })

  test('two nodes are lost: nothing is thrown away, and all goes on when they return', { skip: needsLab }, async (t) => {
    const lost = [...new Set([await cluster.nodeOf(0), await cluster.nodeOf(1)])]
    const claims = await Promise.all([0, 1, 2].map((replica) => cluster.uidOf('pvc', claimOfReplica(replica))))
    try {
      await Promise.all(lost.map((node) => lab.crashNode(numberOf(node))))
      const degraded = await cluster.untilStatus('in need of people', (one) => conditionOf(one, 'Degraded')?.reason === 'NeedsOperator')
      assert.notEqual(conditionOf(degraded, 'Available')?.status, 'True')
      t.diagnostic(conditionOf(degraded, 'Degraded')?.message ?? '')
      // Longer than `replaceAfter`, when a single one would be given up.
      await delay(20_000)
    } finally {
      await Promise.all(lost.map((node) => lab.startNode(numberOf(node))))
    }
    const beganMs = performance.now()
    await cluster.settled()
    t.diagnostic(`running again ${seconds(beganMs)} s after the nodes were`)
    assert.deepEqual(await Promise.all([0, 1, 2].map((replica) => cluster.uidOf('pvc', claimOfReplica(replica)))), claims)
  })

  test('a volume with the data of others is moved aside, and its replica learns anew', { skip: needsLab }, async (t) => {
    await lab.kubectl(['apply', '--filename', '-'], { stdin: cluster.manifest({ storage: { size: '2Gi' } }, 'other') })
    await cluster.untilStatus('running', ({ status }) => status?.phase === 'Running', 'other')
    const [replica, theirs, node] = await sharedNode('other')
    await lab.kubectl(['delete', 'paxosgroup', 'other', '--wait=false'])
    await cluster.until('gone', async () => ((await cluster.uidOf('pod', `other-g0-${theirs}`)) === undefined ? true : undefined))
    await lab.kubectl(['cordon', node])
    try {
      await lab.kubectl(['delete', 'pod', podOfReplica(replica)])
      const [from, to] = [await pathOfClaim(`data-other-g0-${theirs}`), await pathOfClaim(claimOfReplica(replica))]
      await lab.inNode(numberOf(node), ['sh', '-c', `rm -rf ${to}/node && cp -a ${from}/node ${to}/node`])
    } finally {
      await lab.kubectl(['uncordon', node])
    }
    const beganMs = performance.now()
    const foreign = await cluster.untilStatus('foreign', (one) => conditionOf(one, 'Degraded')?.reason === 'ForeignVolume')
    t.diagnostic(conditionOf(foreign, 'Degraded')?.message ?? '')
    assert.equal(conditionOf(foreign, 'Available')?.status, 'True')
    await cluster.settled()
    t.diagnostic(`a voter again after ${seconds(beganMs)} s`)
    const kept = await lab.inNode(numberOf(node), ['ls', await pathOfClaim(claimOfReplica(replica))])
    assert.match(kept, /node\.foreign-/)
  })

  test('a support bundle has what every part says, and no token', async () => {
    const folder = makeTemporaryFolder()
    const file = join(folder, 'bundle.tar.gz')
    const scope = ['--namespace', 'default', '--name', NAME, '--operator-namespace', OPERATOR_NAMESPACE]
    const { code, stdout, stderr } = await lab.exec(join(ROOT, 'thermocline'), ['support-bundle', ...scope, '--output', file, '--json'])
    assert.equal(code, 0, stderr)
    const { missing } = JSON.parse(stdout) as { missing: { path: string; reason: string }[] }
    // Logs of a container before this one are only there if there was one.
    assert.deepEqual(missing, [])
    await runProgram('tar', ['--extract', '--gzip', '--file', file, '--directory', folder])
    const paths = (await runProgram('find', [folder, '-type', 'f'])).split('\n')
    for (const wanted of [0, 1, 2].flatMap((replica) =>
      ['status.json', 'topology.json', 'metrics.txt'].map((name) => `${podOfReplica(replica)}/${name}`),
    ))
      assert.ok(
        paths.some((path) => path.endsWith(wanted)),
        wanted,
      )
    const token = await lab.kubectl(['get', 'secret', `${NAME}-admin`, '--output', 'jsonpath={.data.token}'])
    const found = await tryProgram('grep', [
      '--recursive',
      '--files-with-matches',
      '--fixed-strings',
      Buffer.from(token, 'base64').toString(),
      folder,
    ])
    assert.equal(found.stdout, '')
  })

  test('uninstalled and installed again, the resource deleted and made again: the data is there', async (t) => {
    await cluster.inPod(0, ['put', '--endpoints', SERVICE, 'bob', '1732233600000-0', 'kept'])
    await cluster.noteRights()
    t.diagnostic(`${await watch.check()} queries of the operator's dashboard and alerts have data`)
    await lab.helm(['uninstall', 'thermocline', '--namespace', OPERATOR_NAMESPACE, '--wait'])
    await watch.alerts.fires('ThermoclineOperatorDown')
    assert.equal((await cluster.inPod(0, ['get', '--endpoints', SERVICE, 'bob', '1732233600000-0'])).trim(), 'kept')
    await lab.kubectl(['delete', 'paxosgroup', NAME])
    await cluster.install('namespace')
    await cluster.apply({ image: cluster.images.second, storage: { size: '3Gi' } })
    await cluster.settled()
    assert.equal((await cluster.inPod(0, ['get', '--endpoints', SERVICE, 'bob', '1732233600000-0'])).trim(), 'kept')
  })

  test('a resource that says so takes its volumes along, and the operators had no right that they did not use', async () => {
    await cluster.apply({ image: cluster.images.second, storage: { size: '3Gi', retentionPolicy: 'Delete' } })
    await cluster.until('finalizer', async () => {
      const finalizers = await lab.kubectl(['get', 'paxosgroup', NAME, '--output', 'jsonpath={.metadata.finalizers}'])
      return finalizers.includes('thermocline.dev') ? true : undefined
    })
    await lab.kubectl(['delete', 'paxosgroup', NAME, '--timeout', '120s'])
    const { items } = await lab.kubectlJson<{ items: Claim[] }>(['get', 'pvc', '--selector', `app.kubernetes.io/instance=${NAME}`])
    // What holds the data of others is theirs.
    const left = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    assert.deepEqual(
      left.filter(({ metadata }) => metadata.annotations?.['thermocline.dev/foreign-volume'] === undefined),
      [],
    )
    assert.deepEqual(await cluster.compareRights(RARE), { missing: [], unused: [] })
  })
})

/** A replica of the cluster and one of another that are on one node. */
async function sharedNode(other: string): Promise<[replica: number, theirs: number, node: string]> {
  for (const replica of [0, 1, 2]) {
    const node = await cluster.nodeOf(replica)
    for (const theirs of [0, 1, 2]) {
      const place = await lab.kubectl(['get', 'pod', `${other}-g0-${theirs}`, '--output', 'jsonpath={.spec.nodeName}'])
      if (place === node) return [replica, theirs, node]
    }
  }
  assert.fail('no node has a replica of both')
}

async function pathOfClaim(claim: string): Promise<string> {
  const volume = await lab.kubectl(['get', 'pvc', claim, '--output', 'jsonpath={.spec.volumeName}'])
  return await lab.kubectl(['get', 'pv', volume, '--output', 'jsonpath={.spec.local.path}'])
}

/** Granted for what does not happen here: `update …/finalizers` only on servers with the admission plugin that asks for it. */
const RARE: readonly Right[] = ['update paxosgroups/finalizers', 'update memorygroups/finalizers', ...MEMORY_RIGHTS]

const numberOf = (node: string): number => Number(node.replace(/^n/, ''))
