import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Holder, SharedBound } from './shared-bound.ts'

class Named implements Holder {
  readonly source: string
  readonly name: string
  private readonly cutNames: string[]

  constructor(cutNames: string[], source: string, name: string) {
    this.cutNames = cutNames
    this.source = source
    this.name = name
  }

  cut(): void {
    this.cutNames.push(this.name)
  }
}

function fixture(limit: number) {
  const cut: string[] = []
  return { cut, bound: new SharedBound(limit), holder: (source: string, name: string) => new Named(cut, source, name) }
}

test('the source that holds most loses its oldest holder; who holds less elsewhere is safe', () => {
  const { cut, bound, holder } = fixture(100)
  const honest = holder('a', 'honest')
  bound.set(honest, 40)
  for (let i = 1; i <= 50; i++) bound.set(holder('b', `b${i}`), 10)
  assert.deepEqual(
    cut,
    Array.from({ length: 44 }, (_, i) => `b${i + 1}`),
  )
  assert.equal(bound.total, 100)
  bound.set(honest, 45)
  assert.deepEqual(cut.slice(44), ['b45'])
})

test('within a source a holder goes once as much as the bound has come after it, and not before', () => {
  const { cut, bound, holder } = fixture(100)
  const slow = holder('a', 'slow')
  bound.set(slow, 1)
  for (let i = 0; i < 9; i++) {
    bound.set(slow, 2 + i)
    bound.set(holder('a', `later ${i}`), 10)
  }
  assert.deepEqual(cut, [])
  bound.set(holder('a', 'one too many'), 10)
  assert.deepEqual(cut, ['slow'])
})

test('a holder that is renewed counts as the youngest; one that holds more than the bound goes itself', () => {
  const { cut, bound, holder } = fixture(10)
  const [first, second] = [holder('a', 'first'), holder('a', 'second')]
  bound.set(first, 5)
  bound.set(second, 5)
  bound.renew(first, 6)
  assert.deepEqual(cut, ['second'])
  bound.set(first, 11)
  assert.deepEqual(cut, ['second', 'first'])
  assert.equal(bound.total, 0)
})

test('a newcomer gives way where no other source holds more than its own', () => {
  const { bound, holder } = fixture(10)
  for (let i = 0; i < 7; i++) bound.set(holder('many', `m${i}`), 1)
  assert.equal(bound.refuses('many'), false, 'the bound is not reached')
  for (let i = 0; i < 3; i++) bound.set(holder('few', `f${i}`), 1)
  assert.equal(bound.refuses('many'), true)
  assert.equal(bound.refuses('few'), false)
  assert.equal(bound.refuses('new'), false)
})

test('a holder that lets go of more while it is cut is not counted twice', () => {
  const bound = new SharedBound(10)
  const holder: Holder = { source: 'a', cut: () => bound.set(holder, 0) }
  bound.set(holder, 11)
  assert.equal(bound.total, 0)
  bound.set(holder, 10)
  assert.equal(bound.total, 10)
})
