/** Fields of log lines stand in the table that the reference page is made from. */
import { LOG_FIELDS } from '../../node/src/log-fields.ts'
import { type Finding, isTest, lineOf, type SourceFile } from './tree.ts'

/** `log.info({ … }`, `warn('what', { … }` and, of a connection, `report(source, 'what', { … }` and `complain(…` alike. */
const CALL =
  /\blog\.(?:trace|debug|info|warn|error|fatal)\(\s*\{([^}]*)\}|\b(?:warn|(?:report|complain)\([\w.]+,)\(?\s*'[^']*',\s*\{([^}]*)\}/g
const FIELD = /(?:^|,)\s*([A-Za-z]\w*)\s*(?=[:,]|$)/g

export function checkLogFields(files: readonly SourceFile[]): Finding[] {
  const sources = files.filter(({ path }) => /^node\/src\/.*\.ts$/.test(path) && !isTest(path))
  return sources.flatMap(({ path, text }) =>
    [...text.matchAll(CALL)].flatMap((call) =>
      [...(call[1] ?? call[2] ?? '').trim().matchAll(FIELD)]
        .map(([, name]) => name as string)
        .filter((name) => !(name in LOG_FIELDS))
        .map((name) => ({
          place: `${path}:${lineOf(text, call.index)}`,
          what: `log field ${name} is not in the table`,
          fix: 'use a field of node/src/log-fields.ts, or add it there',
        })),
    ),
  )
}
