import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryBudget } from './retry-budget.ts'

function spendAll(budget: RetryBudget): number {
  let spent = 0
  while (budget.spend()) spent++
  return spent
}

test('second attempts are a tenth of the answers, beyond what may be spent at once', () => {
  const budget = new RetryBudget()
  assert.equal(spendAll(budget), 1024)
  for (let answers = 0; answers < 500; answers++) budget.earn()
  const spent = spendAll(budget)
  assert.ok(spent === 50 || spent === 49, `${spent}`)
  for (let answers = 0; answers < 1_000_000; answers++) budget.earn()
  assert.equal(spendAll(budget), 1024)
})
