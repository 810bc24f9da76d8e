/** Where node, operator and the maker of support bundles are. The client commands never load them: they run as processes of their own. */
import { fileURLToPath } from 'node:url'

/** The command that starts a node, without its flags. THERMOCLINE_NODE names another program, for tests. */
export function nodeCommand(): string[] {
  const program = process.env.THERMOCLINE_NODE ?? fileURLToPath(new URL('../../../node/src/main.ts', import.meta.url))
  return nodeJs(program)
}

/** The command that starts the operator, without its flags. */
export function operatorCommand(): string[] {
  return nodeJs(fileURLToPath(new URL('../../../operator/src/main.ts', import.meta.url)))
}

/** The command that makes support bundles, without its flags. */
export function supportBundleCommand(): string[] {
  return nodeJs(fileURLToPath(new URL('../../../operator/src/support-bundle/main.ts', import.meta.url)))
}

const nodeJs = (program: string): string[] => [process.execPath, '--disable-warning=ExperimentalWarning', program]
