/** For nodes and the simulator, not for users: the world that a client lives in can be handed in, and its inside be watched. */

export type { Call } from './call.ts'
export { connectIn } from './client.ts'
export type { Dispatcher } from './dispatcher.ts'
export { osClock } from './os/clock.ts'
export { osWorld } from './os/world.ts'
export type { ClientStream, ClientStreamEvents, ClientWorld } from './world.ts'
