/**
 * What each kind of damage to each structure of a volume must lead to. A structure that another test damages is named there
 * and not here:
 *
 *     log write in the middle: bit flip; log segment: lost; table: bit flip, truncation; volume: wiped, rolled back    rejoin.test.ts
 *     log: write fails with EIO                                                                     failed-write.test.ts
 *     tables: an older state                                             corruption/older-tables.test.ts
 *     log segment, table: ENOSPC                                                                       full-disk.test.ts
 *     version cache: bit flip, truncation; snapshot part: any change            node/src/engine/engine.test.ts
 *     snapshot part: EIO and ENOSPC where it is installed, EIO where it is read      corruption/snapshot-part.test.ts
 *     entry served from the log: bit flip                                         node/src/wal/shared-log.test.ts
 *     entry served from the log: EIO                                        node/src/replica/peer-messages.test.ts
 *     topology: every byte                                       node/src/roles/storage/topology-store.test.ts
 *
 * OPTIONS and LOCK are never read; a version cache is mapped, so that EIO has no call to fail.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileOf, flipBit, lastByte, lastWriteOf, segmentsOf, truncate } from './damage.ts'

/** Numbers of the kernel. */
const EIO = 5
const ENOSPC = 28

/** What a node that starts on the damage must do. */
export type Outcome =
  /** Nothing is lost: it serves and votes as before. */
  | 'harmless'
  /** A cut tail: it serves as before, or, if a peer remembers more, under a new incarnation. */
  | 'cut'
  /** It learns everything from its peers under a new incarnation, and votes again. */
  | 'rejoins'
  /** It waits for the topology, and serves as before once it has it. */
  | 'waits'
  /** It ends with this message, at the start or at work; mended, it serves as before. */
  | { readonly ends: RegExp }
  /** It refuses to start with this message, whose next step is to empty the folder; then it rejoins. */
  | { readonly refuses: RegExp }

export interface Cell {
  readonly structure: string
  readonly fault: 'bit flip' | 'truncation' | 'EIO' | 'ENOSPC'
  readonly outcome: Outcome
  /** Changes the stopped volume. */
  readonly damage?: (volume: string) => void
  /** What fails while the node runs, and on which files: an order to `faulty-disk.c`. */
  readonly order?: string
  /** What fails is done only when the node is told to stop, and flushes. */
  readonly stops?: true
}

const engineFile = (volume: string, name: RegExp): string => fileOf(join(volume, 'engine'), name)
const newest = (volume: string): string => segmentsOf(volume).written.at(-1) as string
const spare = (volume: string): string => segmentsOf(volume).spares[0] as string

export const CELLS: readonly Cell[] = [
  { structure: 'log segment head', fault: 'bit flip', outcome: 'rejoins', damage: (volume) => flipBit(newest(volume), 20) },
  { structure: 'log segment head', fault: 'truncation', outcome: 'rejoins', damage: (volume) => truncate(newest(volume), 100) },
  { structure: 'log in the middle', fault: 'truncation', outcome: 'rejoins', damage: (volume) => truncate(newest(volume), 4096) },
  {
    structure: 'log tail',
    fault: 'bit flip',
    outcome: 'cut',
    damage: (volume) => flipBit(newest(volume), lastWriteOf(newest(volume)) + 40),
  },
  { structure: 'log', fault: 'EIO', outcome: { ends: /log segment .*\.log could not be read: EIO/ }, order: `read ${EIO} VOLUME/log/` },
  { structure: 'log', fault: 'ENOSPC', outcome: { ends: /\.log: a log write .* failed: ENOSPC/ }, order: `write ${ENOSPC} VOLUME/log/` },
  { structure: 'spare segment', fault: 'bit flip', outcome: 'rejoins', damage: (volume) => flipBit(spare(volume), 8) },
  { structure: 'spare segment', fault: 'truncation', outcome: 'rejoins', damage: (volume) => truncate(spare(volume), 0) },
  {
    structure: 'table footer',
    fault: 'bit flip',
    outcome: 'rejoins',
    damage: (volume) => {
      const table = engineFile(volume, /\.sst$/)
      flipBit(table, lastByte(table))
    },
  },
  { structure: 'table', fault: 'EIO', outcome: { ends: /engine\/\d+\.sst: Input\/output error/ }, order: `read ${EIO} VOLUME/engine/0` },
  {
    structure: 'new table',
    fault: 'EIO',
    outcome: { ends: /engine\/incoming\/\d+\.\w+\.sst.*Input\/output error/ },
    stops: true,
    order: `write ${EIO} VOLUME/engine/incoming`,
  },
  { structure: 'MANIFEST', fault: 'bit flip', outcome: 'rejoins', damage: (volume) => flipBit(engineFile(volume, /^MANIFEST/), 60) },
  { structure: 'MANIFEST', fault: 'truncation', outcome: 'rejoins', damage: (volume) => truncate(engineFile(volume, /^MANIFEST/), 60) },
  {
    structure: 'MANIFEST',
    fault: 'EIO',
    outcome: { ends: /engine\/MANIFEST-\d+: Input\/output error/ },
    order: `open ${EIO} VOLUME/engine/MANIFEST`,
  },
  { structure: 'CURRENT', fault: 'bit flip', outcome: 'rejoins', damage: (volume) => flipBit(engineFile(volume, /^CURRENT$/), 12) },
  { structure: 'CURRENT', fault: 'truncation', outcome: 'rejoins', damage: (volume) => truncate(engineFile(volume, /^CURRENT$/), 0) },
  {
    structure: 'CURRENT',
    fault: 'EIO',
    outcome: { ends: /engine\/CURRENT: Input\/output error/ },
    order: `open ${EIO} VOLUME/engine/CURRENT`,
  },
  { structure: 'OPTIONS', fault: 'bit flip', outcome: 'harmless', damage: (volume) => flipBit(engineFile(volume, /^OPTIONS/), 100) },
  { structure: 'OPTIONS', fault: 'truncation', outcome: 'harmless', damage: (volume) => truncate(engineFile(volume, /^OPTIONS/), 100) },
  {
    structure: 'volume.json',
    fault: 'bit flip',
    outcome: { refuses: /corrupt: volume\.json .*remove what is in the data directory/ },
    damage: (volume) => flipBit(join(volume, 'volume.json'), 100),
  },
  {
    structure: 'volume.json',
    fault: 'truncation',
    outcome: { refuses: /corrupt: volume\.json is not JSON; remove what is in the data directory/ },
    damage: (volume) => truncate(join(volume, 'volume.json'), 50),
  },
  {
    structure: 'volume.json',
    fault: 'EIO',
    outcome: { ends: /volume\.json could not be read: EIO/ },
    order: `read ${EIO} VOLUME/volume.json`,
  },
  {
    structure: 'volume.json',
    fault: 'ENOSPC',
    outcome: { ends: /disk_full: .*volume\.json could not be written: ENOSPC.*free space/ },
    order: `write ${ENOSPC} VOLUME/volume.json`,
  },
  {
    structure: 'topology.json',
    fault: 'bit flip',
    outcome: 'waits',
    damage: (volume) => flipBit(join(volume, 'topology.json'), 60),
  },
  { structure: 'topology.json', fault: 'truncation', outcome: 'waits', damage: (volume) => truncate(join(volume, 'topology.json'), 30) },
  {
    structure: 'topology.json',
    fault: 'EIO',
    outcome: { ends: /topology\.json could not be read: EIO/ },
    order: `read ${EIO} VOLUME/topology.json`,
  },
  {
    structure: 'version cache',
    fault: 'ENOSPC',
    outcome: { ends: /disk_full: could not allocate \d+ bytes for the version cache .*give its file system more space/ },
    order: `allocate ${ENOSPC} /thermocline- .versions`,
  },
  { structure: 'LOCK', fault: 'bit flip', outcome: 'harmless', damage: (volume) => writeFileSync(join(volume, 'LOCK'), 'any bytes') },
]
