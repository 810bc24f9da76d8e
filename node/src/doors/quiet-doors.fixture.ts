/** Bounds that no test reaches by chance, and complaints that nobody hears: for tests of something else. */
import { Complaints } from './complaints.ts'
import { Traffic } from './traffic.ts'

const MANY_BYTES = 256 * 1024 * 1024

export function quietDoors(): { traffic: Traffic; complaints: Complaints } {
  return {
    traffic: new Traffic({ unfinishedBytes: MANY_BYTES, untakenBytes: MANY_BYTES, connections: 32_768 }),
    complaints: new Complaints(
      () => {},
      () => () => {},
    ),
  }
}
