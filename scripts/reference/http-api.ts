/** The page on the HTTP port, from the OpenAPI document that a node serves. */
import { createHttpServer, type HttpDoors, type HttpServer } from '../../node/src/admin/mod.ts'
import type { AdminService, DataService } from '../../node/src/admin/ports.ts'
import type { MemoryConfig } from '../../node/src/roles/memory/config.ts'
import { createMemoryHttp } from '../../node/src/roles/memory/http.ts'
import type { MemoryNode } from '../../node/src/roles/memory/memory-node.ts'
import { code, page, table } from './markdown.ts'

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema?: { readonly default?: unknown }
}

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  readonly responses?: Readonly<Record<string, { readonly description?: string; readonly content?: Readonly<Record<string, unknown>> }>>
  readonly security?: readonly unknown[]
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

/** Never asked: the document comes from the routes alone. */
const nobody = new Proxy({}, { get: () => undefined })

async function openApiPaths(server: HttpServer): Promise<Paths> {
  const { paths } = server.app.swagger() as { paths: Paths }
  await server.close()
  return paths
}

const NO_DESCRIPTION = 'Default Response'

function section(method: string, path: string, operation: Operation): string {
  const { summary, description, parameters = [], responses = {}, security } = operation
  const parts = [`### ${method.toUpperCase()} ${path}`, [summary, description].filter((text) => text !== undefined).join('. ')]
  if (security !== undefined) parts.push('Needs `Authorization: Bearer` with the content of the token file.')
  if (parameters.length > 0) {
    const rows = parameters.map((one) => [
      code(one.name),
      one.in,
      one.required === true ? 'yes' : '',
      one.schema?.default === undefined ? '' : code(String(one.schema.default)),
      one.description ?? '',
    ])
    parts.push(table(['parameter', 'in', 'required', 'default', 'meaning'], rows))
  }
  const answers = Object.entries(responses).map(([status, { description: about, content = {} }]) => {
    const types = Object.keys(content).map(code).join(', ')
    return `- ${status}${types === '' ? '' : ` ${types}`}${about === undefined || about === NO_DESCRIPTION ? '' : `: ${about}`}`
  })
  if (answers.length > 0) parts.push(`Answers:\n\n${answers.join('\n')}`)
  return parts.filter((part) => part !== '').join('\n\n')
}

export async function httpApiPage(): Promise<string> {
  const storage = await openApiPaths(
    await createHttpServer({
      data: nobody as DataService,
      admin: nobody as AdminService,
      randomHex: () => '',
      token: undefined,
      doors: nobody as HttpDoors,
      hosts: new Set(),
    }),
  )
  const memory = await openApiPaths(
    await createMemoryHttp(nobody as MemoryNode, { http: '', allowHosts: [] as readonly string[] } as MemoryConfig, nobody as HttpDoors),
  )
  const sections = (paths: Paths) =>
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => section(method, path, operation)),
    )
  return page(
    'HTTP API',
    'the routes in [node/src/admin](../../node/src/admin) and [node/src/roles/memory](../../node/src/roles/memory)',
    `Every node serves it; the OpenAPI document, with the schemas, is at \`/openapi.json\`. Errors are JSON with a \`code\`:
see [errors.md](errors.md).`,
    '## Storage nodes',
    ...sections(storage),
    '## Memory nodes',
    ...sections(memory),
  )
}
