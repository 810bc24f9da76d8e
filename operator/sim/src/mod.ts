/**
 * A Kubernetes cluster in one thread, from one seed: run an operator against it.
 *
 *     const cluster = new SimCluster({ seed, nodes: { n1: 'z1', n2: 'z2' }, start: (start) => new SimNode(start) })
 *     const world = cluster.world(cluster.client(ALL_FAULTS))      // one operator's kube, clock, chance, log
 *     …start what is under test with `world`…
 *     cluster.store.apply(PAXOS_GROUPS, resource)                  // what a person does: at once, without faults
 *     await cluster.run(60_000)                                    // simulated time
 *     cluster.loseNode('n1')                                       // cluster.serverAway, client.cut, fleet.cordon, …
 *     cluster.processOf({ namespace, name: pod })                  // the SimNode that runs there, or undefined: unreachable
 *
 * A `SimNode` is a `PodProcess` with whatever methods the test needs, such as its answers of the admin API; what it keeps in
 * `SimVolume.files` outlives it. Await nothing that only simulated time can end, except through `cluster.run`.
 */
export { SILENT, SimCluster, type SimClusterOptions } from './cluster.ts'
export { ALL_FAULTS, FAULTS, type Faults, NO_FAULTS } from './faults.ts'
export { KUBELET_TIMES, type KubeletTimes } from './kubelet.ts'
export { ZONE_LABEL } from './node-fleet.ts'
export { idleProcess, type PodProcess, type SimVolume, type Start, type StartProcess } from './pod-process.ts'
export { conditionOf, isReady } from './pod-status.ts'
export { Scheduler } from './scheduler.ts'
export { SIM_SERVER, SimKube } from './sim-kube.ts'
export { REVISION_LABEL } from './stateful-sets.ts'
export { type Admission, type Change, Store } from './store.ts'
