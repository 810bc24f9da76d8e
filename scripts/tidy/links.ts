/** Relative links of Markdown pages lead somewhere: the file is there, and so is the heading. */
import { dirname, join } from 'node:path/posix'
import { type Finding, lineOf, type SourceFile } from './tree.ts'

const LINK = /!?\[(?:[^\]\\]|\\.)*\]\(<?([^)>\s]+)>?(?:\s+"[^"]*")?\)/g

/** Code is blanked out: what looks like a link there is none. */
const withoutCode = (text: string): string => text.replace(/```[\s\S]*?```|`[^`\n]*`/g, (code) => code.replace(/[^\n]/g, ' '))

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replace(/```[\s\S]*?```/g, '').matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    let name = slug
    for (let n = 1; anchors.has(name); n++) name = `${slug}-${n}`
    anchors.add(name)
  }
  return anchors
}

/** `exists` answers for anything in the tree, folders too. */
export function checkLinks(files: readonly SourceFile[], exists: (path: string) => boolean): Finding[] {
  const pages = new Map(files.filter(({ path }) => path.endsWith('.md')).map((file) => [file.path, file.text]))
  const findings: Finding[] = []
  for (const [path, text] of pages) {
    for (const { 1: link = '', index } of withoutCode(text).matchAll(LINK)) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue
      const place = `${path}:${lineOf(text, index)}`
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), decodeURI(file)).replace(/\/$/, '')
      if (!exists(target)) findings.push({ place, what: `link to ${link}, which is not there`, fix: 'correct the path, or drop the link' })
      else if (anchor !== undefined && pages.has(target) && !anchorsOf(pages.get(target) as string).has(anchor)) {
        findings.push({ place, what: `link to ${link}: no such heading`, fix: 'use the anchor of a heading that is there' })
      }
    }
  }
  return findings
}
