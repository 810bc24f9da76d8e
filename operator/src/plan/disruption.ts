/**
 * The one guard before everything that takes a replica away.
 *
 * Formula, for a group of n replicas with q = ⌊n/2⌋ + 1, where V is the set of replicas that say of themselves, in this pass,
 * that they vote in every block:
 *
 *     may stop r       ⇔  r ∉ V  or  |V \ {r}| ≥ q      stopping one that does not vote takes no vote away
 *     may replace r    ⇔  r ∉ V  and |V| ≥ n − q + 1    and no other replica is without its volume
 *
 * A replica that did not answer is not in V: what is not known does not count. Replacing needs n − q + 1 voters because that
 * many must tell the new incarnation what was promised (design §4.4).
 */
import { quorumOf } from '../specs/cluster.ts'

/** Per replica of a group: does it say of itself that it votes in every block? */
export type Voters = readonly boolean[]

const countOf = (voters: Voters, except = -1): number => voters.filter((votes, replica) => votes && replica !== except).length

export function hasMajority(voters: Voters): boolean {
  return countOf(voters) >= quorumOf(voters.length)
}

/** May this replica's process be stopped for a while? */
export function mayStop(voters: Voters, replica: number): boolean {
  return voters[replica] !== true || countOf(voters, replica) >= quorumOf(voters.length)
}

/** May this replica's volume be given up, so that it starts anew as a learner? */
export function mayReplace(voters: Voters, replica: number): boolean {
  const n = voters.length
  return voters[replica] !== true && countOf(voters) >= n - quorumOf(n) + 1
}

/** May one more replica of this group be made unavailable on purpose? Only if all others vote: one at a time. */
export function mayDisrupt(voters: Voters, replica: number): boolean {
  return mayStop(voters, replica) && countOf(voters, replica) === voters.length - 1
}
