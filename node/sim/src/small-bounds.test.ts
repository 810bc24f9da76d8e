import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { sourceOf } from './mutants/source-of.ts'
import { editsOf, SMALL_BOUNDS } from './small-bounds.ts'

test('every small bound is below the one that it stands for', () => {
  for (const [file, bounds] of Object.entries(SMALL_BOUNDS)) {
    const edits = editsOf(file, readFileSync(sourceOf(file), 'utf8'))
    for (const [at, [name, small]] of Object.entries(bounds).entries()) {
      const [, value = ''] = /= ([\d_ *]+)/.exec(edits[at]?.find ?? '') ?? []
      const real = value
        .replaceAll('_', '')
        .split('*')
        .reduce((product, factor) => product * Number(factor), 1)
      assert.ok(small < real, `${file}: ${name} is ${real}, and small ${small}`)
    }
  }
})
