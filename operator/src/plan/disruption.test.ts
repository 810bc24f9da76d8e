/** Every case there is, for three and for five replicas, against the rule said another way: by counting what is left. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasMajority, mayDisrupt, mayReplace, mayStop, type Voters } from './disruption.ts'

function casesOf(replicas: number): boolean[][] {
  return Array.from({ length: 2 ** replicas }, (_, bits) => Array.from({ length: replicas }, (_, at) => (bits & (1 << at)) !== 0))
}

const without = (voters: Voters, replica: number): boolean[] => voters.map((votes, at) => votes && at !== replica)
const count = (voters: Voters): number => voters.filter(Boolean).length

for (const replicas of [3, 5]) {
  const majority = replicas === 3 ? 2 : 3
  /** How many others must tell a new incarnation what was promised: of any majority one is among them. */
  const witnesses = replicas === 3 ? 2 : 3

  test(`${replicas} replicas, all ${2 ** replicas} cases: a stop never takes a group below a majority that it has`, () => {
    for (const voters of casesOf(replicas)) {
      for (let replica = 0; replica < replicas; replica++) {
        const left = without(voters, replica)
        const what = JSON.stringify({ voters, replica })
        if (hasMajority(voters)) assert.equal(mayStop(voters, replica), hasMajority(left), what)
        // Without a majority nothing more is taken, but what gives no vote may be restarted: it may be what brings it back.
        else assert.equal(mayStop(voters, replica), voters[replica] !== true, what)
        assert.equal(hasMajority(voters), count(voters) >= majority, what)
        assert.equal(mayReplace(voters, replica), voters[replica] !== true && count(voters) >= witnesses, what)
        assert.equal(mayDisrupt(voters, replica), count(left) === replicas - 1, what)
      }
    }
  })
}
