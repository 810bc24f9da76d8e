/** A loader's view of what it loads. */
export interface Store {
  /** Reads pages; several go out as one batch. @throws Error if one is missing, or has not the size that it should. */
  read(client: number, pages: readonly number[]): Promise<void>
  /** Resolves when the store promises to keep them, as far as it promises that. */
  write(client: number, pages: readonly number[]): Promise<void>
  close(): void
}

export type PageValue = (page: number) => Uint8Array

/** Pages that `fill` hands to one `write`: consecutive ones, of one series. */
export const PAGES_PER_SERIES = 256
