/** The program under test: the launcher at the root of the repository, as a user starts it. */
import { fileURLToPath } from 'node:url'

export const EXECUTABLE = fileURLToPath(new URL('../../thermocline', import.meta.url))
