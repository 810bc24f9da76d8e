/**
 * A disk under traced calls: what it surely holds, and what it may hold besides if the power goes now.
 *
 * Files. What fsync, fdatasync or a durable write has covered is there. Of the writes since, each 512-byte sector holds what
 * any of them, or none, left in it, whatever the others hold: so a write may be kept, lost, torn, or overtaken by a later
 * one. What lengthens a file comes by pages of 4 KiB, each as it stood after any of the writes: both file systems let a
 * file's length grow over a page only when that page was written. Pages between that were not are zero. A truncation reaches
 * the disk in its order: what was written after one that is lost is lost too.
 *
 * Folders. A name made, renamed or removed is there to stay once its folder was synced; before, the changes of a folder
 * reach the disk in their order, each whole, any number of them; those of different folders do not wait for each other.
 * ext4 and XFS promise more (one journal for all folders, and the sync of a new file brings its name): what survives here
 * survives there, and needs no such promise.
 */
import { Buffer } from 'node:buffer'
import { constants, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path/posix'
import { type Call, describeCall, Kind } from './call.ts'

const SECTOR_BYTES = 512
const PAGE_BYTES = 4096
const FALLOCATE_KEEPS_SIZE = 1

interface WriteChange {
  readonly offset: number
  readonly bytes: Buffer
  /** Of a write past the page cache, until the kernel has said that it is durable. */
  readonly request: bigint | undefined
}

interface TruncateChange {
  readonly size: number
}

type Change = WriteChange | TruncateChange

class FileNode {
  durable = Buffer.alloc(0)
  pending: Change[] = []
  /** As programs see it. */
  size = 0

  /** Makes what the filter takes durable, in order. */
  settle(takes: (change: Change) => boolean): void {
    const left: Change[] = []
    for (const change of this.pending) {
      if (takes(change)) this.durable = applied(this.durable, change)
      else left.push(change)
    }
    this.pending = left
  }
}

type FolderChange = ReadonlyMap<string, Node | undefined>

class FolderNode {
  readonly durable = new Map<string, Node>()
  readonly current = new Map<string, Node>()
  pending: FolderChange[] = []

  change(names: FolderChange): void {
    applyNames(this.current, names)
    this.pending.push(names)
  }

  settle(): void {
    for (const names of this.pending) applyNames(this.durable, names)
    this.pending = []
  }
}

type Node = FileNode | FolderNode

function applyNames(entries: Map<string, Node>, names: FolderChange): void {
  for (const [name, node] of names) {
    if (node === undefined) entries.delete(name)
    else entries.set(name, node)
  }
}

function applied(bytes: Buffer, change: Change): Buffer<ArrayBuffer> {
  if ('size' in change) return resized(bytes, change.size)
  const whole =
    change.offset + change.bytes.length > bytes.length ? resized(bytes, change.offset + change.bytes.length) : Buffer.from(bytes)
  change.bytes.copy(whole, change.offset)
  return whole
}

function resized(bytes: Buffer, size: number): Buffer<ArrayBuffer> {
  const next = Buffer.alloc(size)
  bytes.copy(next, 0, 0, Math.min(size, bytes.length))
  return next
}

/** What a power cut does to what was not synced. */
export interface Fate {
  /** How many of a folder's unsynced changes reach the disk. */
  changes(count: number): number
  /** How the unsynced writes of one file fare. */
  file(): FileFate
}

interface FileFate {
  /** Whether one sector of one write is kept. */
  sector(): boolean
  /** How many of the file's changes are in a page that lengthens it. */
  page(count: number): number
  truncation(): boolean
}

/** What is on the disk after a power cut: paths of folders, and of files with their bytes. */
export type Image = ReadonlyMap<string, Buffer | 'folder'>

export class Disk {
  private readonly root = new FolderNode()
  /** By descriptor. */
  private readonly open = new Map<number, { node: Node; isDurable: boolean }>()
  /** Whether the last call changed what the disk holds or may hold. */
  changed = false

  apply(call: Call): void {
    this.changed = true
    const { kind } = call
    if (kind === Kind.open) this.openFile(call)
    else if (kind === Kind.write || kind === Kind.submit) this.write(call)
    else if (kind === Kind.durable) this.file(call).settle((change) => 'bytes' in change && change.offset === call.a)
    else if (kind === Kind.finished) this.finish(call.b)
    else if (kind === Kind.sync) this.sync(call)
    else if (kind === Kind.truncate) this.truncate(this.file(call), call.a)
    else if (kind === Kind.allocate) this.allocate(call)
    else if (kind === Kind.end) this.endProcess()
    else this.changeNames(call)
  }

  /** The bytes of a file as programs see it. */
  current(path: string): Buffer | undefined {
    const node = this.find(path)
    if (!(node instanceof FileNode)) return undefined
    return resized(node.pending.reduce<Buffer>(applied, node.durable), node.size)
  }

  /** What the disk holds if the power goes now. */
  image(fate: Fate): Image {
    const image = new Map<string, Buffer | 'folder'>()
    const files = new Map<FileNode, Buffer>()
    const walk = (folder: FolderNode, path: string): void => {
      const entries = new Map(folder.durable)
      for (const names of folder.pending.slice(0, fate.changes(folder.pending.length))) applyNames(entries, names)
      for (const [name, node] of entries) {
        const at = join(path, name)
        if (node instanceof FolderNode) {
          image.set(at, 'folder')
          walk(node, at)
          continue
        }
        // A file of two names has one content.
        const bytes = files.get(node) ?? afterCut(node, fate)
        files.set(node, bytes)
        image.set(at, bytes)
      }
    }
    walk(this.root, '/')
    return image
  }

  private openFile({ path, a: flags, file }: Call): void {
    const found = this.find(path)
    this.changed = found === undefined
    const node = found ?? new FileNode()
    if (found === undefined) this.parent(path).change(new Map([[basename(path), node]]))
    if (node instanceof FileNode && (flags & constants.O_TRUNC) !== 0) this.truncate(node, 0)
    this.open.set(file, { node, isDurable: (flags & constants.O_DSYNC) !== 0 })
  }

  private write(call: Call): void {
    const node = this.file(call)
    node.pending.push({ offset: call.a, bytes: call.bytes, request: call.kind === Kind.submit ? call.b : undefined })
    node.size = Math.max(node.size, call.a + call.bytes.length)
  }

  private finish(request: bigint): void {
    for (const { node } of this.open.values()) {
      if (node instanceof FileNode) node.settle((change) => 'bytes' in change && change.request === request)
    }
  }

  private sync(call: Call): void {
    const node = this.node(call)
    this.changed = node.pending.length > 0
    if (node instanceof FolderNode) node.settle()
    // A write past the page cache that is under way is not the page cache's to sync.
    else node.settle((change) => 'size' in change || change.request === undefined)
  }

  private truncate(node: FileNode, size: number): void {
    if (node.size === size) {
      this.changed = false
      return
    }
    this.changed = true
    node.pending.push({ size })
    node.size = size
  }

  private allocate(call: Call): void {
    const node = this.file(call)
    if ((call.a & FALLOCATE_KEEPS_SIZE) !== 0) this.changed = false
    else this.truncate(node, Math.max(node.size, Number(call.b)))
  }

  /** What a dead process had under way, the kernel still writes; nobody hears when. */
  private endProcess(): void {
    for (const { node } of this.open.values()) {
      if (!(node instanceof FileNode)) continue
      node.pending = node.pending.map((change) => ('bytes' in change ? { ...change, request: undefined } : change))
    }
    this.open.clear()
  }

  private changeNames(call: Call): void {
    const { kind, path, other } = call
    if (kind === Kind.mkdir) this.parent(path).change(new Map([[basename(path), new FolderNode()]]))
    else if (kind === Kind.link) this.parent(other).change(new Map([[basename(other), this.must(call)]]))
    else if (kind === Kind.rename) this.rename(call)
    else if (this.find(path) !== undefined) this.parent(path).change(new Map([[basename(path), undefined]]))
  }

  private rename(call: Call): void {
    const { path, other } = call
    const node = this.find(path)
    // The store's own diary, which is written through stdio, and not read by anything.
    if (node === undefined) return
    if (dirname(path) !== dirname(other)) throw new Error(`the model knows no renames between folders: ${describeCall(call)}`)
    this.parent(path).change(
      new Map([
        [basename(path), undefined],
        [basename(other), node],
      ]),
    )
  }

  private node(call: Call): Node {
    const found = this.open.get(call.file)
    if (found === undefined) throw new Error(`the trace names a descriptor that was not opened: ${describeCall(call)}`)
    return found.node
  }

  private file(call: Call): FileNode {
    const node = this.node(call)
    if (!(node instanceof FileNode)) throw new Error(`the trace writes to a folder: ${describeCall(call)}`)
    return node
  }

  private must(call: Call): Node {
    const node = this.find(call.path)
    if (node === undefined) throw new Error(`the trace names a file that is not there: ${describeCall(call)}`)
    return node
  }

  private find(path: string): Node | undefined {
    let node: Node | undefined = this.root
    for (const name of path.split('/').filter((part) => part !== '')) {
      node = node instanceof FolderNode ? node.current.get(name) : undefined
    }
    return node
  }

  private parent(path: string): FolderNode {
    const folder = this.find(dirname(path))
    if (!(folder instanceof FolderNode)) throw new Error(`the trace names a folder that is not there: ${path}`)
    return folder
  }
}

function afterCut(node: FileNode, fate: Fate): Buffer {
  const { durable, pending } = node
  if (pending.length === 0) return durable
  const fateOf = fate.file()
  const pages = new Map<number, number>()
  const isKept = (at: number, number: number): boolean => {
    if (at < durable.length) return fateOf.sector()
    const page = Math.floor(at / PAGE_BYTES)
    if (!pages.has(page)) pages.set(page, fateOf.page(pending.length))
    return number < (pages.get(page) as number)
  }
  let bytes = durable
  for (const [number, change] of pending.entries()) {
    if ('size' in change) {
      if (!fateOf.truncation()) return bytes
      bytes = applied(bytes, change)
      continue
    }
    const end = change.offset + change.bytes.length
    for (let at = change.offset; at < end; ) {
      const to = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES)
      const sector = change.bytes.subarray(at - change.offset, to - change.offset)
      if (isKept(at, number)) bytes = applied(bytes, { offset: at, bytes: sector, request: undefined })
      at = to
    }
  }
  return bytes
}

/** Puts an image down as real files in a new folder. */
export function place(image: Image, root: string): void {
  mkdirSync(root, { recursive: true })
  for (const [path, bytes] of image) {
    if (bytes === 'folder') mkdirSync(join(root, path))
    else writeFileSync(join(root, path), bytes)
  }
}
