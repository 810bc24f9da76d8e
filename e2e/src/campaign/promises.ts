/** What a campaign must show. */
import type { CampaignResult } from './campaign.ts'

/** While one replica is broken, no series waits longer than this for an answer. */
const MAX_GAP_MS = 5000
/** Outside faults of a majority, so many operations end with a definite outcome. */
const MIN_DEFINITE = 0.95

export function brokenPromises({ figures, verdict, stuckAt, definiteShare }: CampaignResult): string[] {
  const broken: string[] = []
  if (verdict !== 'linearizable') broken.push(`the history is ${verdict}: ${stuckAt ?? ''}`)
  for (const { kind, leavesMajority, maxGapMs } of figures) {
    if (leavesMajority && maxGapMs > MAX_GAP_MS)
      broken.push(`${kind}: a series was not answered for ${maxGapMs.toFixed(0)} ms; at most ${MAX_GAP_MS} is promised`)
  }
  if (definiteShare < MIN_DEFINITE)
    broken.push(
      `${(definiteShare * 100).toFixed(1)} % of the operations had a definite outcome; at least ${MIN_DEFINITE * 100} % are promised`,
    )
  return broken
}
