/** What a bundle is made of, and what the makers of items are handed. */

/** Bytes for the bundle, or text, which is looked through for secrets first. */
export interface Content {
  readonly body: string
  /** Why this is not all there is. */
  readonly partial?: string | undefined
}

/** One file of the bundle. */
export interface Item {
  /** Within the bundle's folder. */
  readonly path: string
  /** Where it is read from, for people: `GET /api/v1/pods`, `file g0-r0.log`. */
  readonly source: string
  /** About the machine that makes the bundle, or about the server at large: nobody is helped by this alone. */
  readonly isContext?: boolean
  /** Rejects with the reason why it cannot be had. */
  read(): Promise<Content>
}

/** What became of an item. */
export interface Entry {
  readonly path: string
  readonly source: string
  readonly state: 'collected' | 'partial' | 'failed' | 'left-out'
  readonly isContext: boolean
  /** Before compression. */
  readonly bytes: number
  /** Of everything but `collected`. */
  readonly reason?: string
}

/** Where items go. */
export interface Archive {
  add(path: string, body: Uint8Array): Promise<void>
}

/** What the sources of items (Kubernetes, nodes) fill. */
export interface Collecting {
  /** Fetches and writes one item, as soon as there is room; never rejects for what the item says. */
  add(item: Item): Promise<void>
  addAll(items: readonly Item[]): Promise<void>
  /** Notes something that cannot be had, and why. */
  miss(path: string, source: string, reason: string): void
  /** Notes something that was not even tried, and why. */
  leaveOut(path: string, source: string, reason: string): void
  /** Tells people how far it is. */
  say(line: string): void
}
