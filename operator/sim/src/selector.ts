/** Label selectors, as on a URL and as in `spec.selector`. */
import type { KubeObject, Scope } from '../../src/runtime/ports.ts'

type Labels = Readonly<Record<string, string>>

export interface LabelSelector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values?: readonly string[]
  }[]
}

/** `a=b,c!=d,e,!f,g in (h,i),j notin (k)`. */
export function matchesText(selector: string, labels: Labels): boolean {
  return selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .every((term) => matchesTerm(term, labels))
}

function matchesTerm(term: string, labels: Labels): boolean {
  const [, setKey, operator, list = ''] = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term) ?? []
  if (setKey !== undefined) {
    const isIn = list
      .split(',')
      .map((value) => value.trim())
      .includes(labels[setKey] ?? '\0')
    return operator === 'in' ? isIn : !isIn
  }
  const [, key = '', sign, value = ''] = /^(!?[^=!\s]+)\s*(?:(==?|!=)\s*(\S*))?$/.exec(term) ?? []
  if (key === '') throw new Error(`label selector: ${JSON.stringify(term)} is not one`)
  if (sign === undefined) return key.startsWith('!') ? labels[key.slice(1)] === undefined : labels[key] !== undefined
  return (labels[key] === value) === (sign !== '!=')
}

export function matchesSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      return (value !== undefined && values.includes(value)) === (operator === 'In')
    })
  )
}

export const isInScope = ({ metadata }: KubeObject, { namespace, labelSelector }: Scope): boolean =>
  (namespace === undefined || metadata.namespace === namespace) &&
  (labelSelector === undefined || matchesText(labelSelector, metadata.labels ?? {}))
