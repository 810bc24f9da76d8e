import { writeSync } from 'node:fs'

const STDOUT = 1

/**
 * Where log lines go. A line that cannot be written (the volume that the log shares is full, its reader is gone) is lost:
 * a node that ends because nobody can hear it would serve nobody.
 */
export const logOutput = {
  write(line: string): void {
    try {
      writeSync(STDOUT, line)
    } catch {
      // There is nowhere to report it.
    }
  },
}
