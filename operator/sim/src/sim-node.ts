/** What runs in the pods of a run. */
import type { MemoryMachine } from './memory-machine.ts'
import type { ThermoclineNode } from './thermocline-node.ts'

export type SimNode = ThermoclineNode | MemoryMachine
