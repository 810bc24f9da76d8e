/** Where the node program is. The client commands never load it: it runs as a process of its own. */
import { fileURLToPath } from 'node:url'

/** The command that starts a node, without its flags. THERMOCLINE_NODE names another program, for tests. */
export function nodeCommand(): string[] {
  const program = process.env.THERMOCLINE_NODE ?? fileURLToPath(new URL('../../../node/src/main.ts', import.meta.url))
  return [process.execPath, '--disable-warning=ExperimentalWarning', program]
}
