/** The routes that a server has, hidden ones too, as `METHOD /path`. Fastify tells them as a tree alone. */
interface Printable {
  printRoutes(options: { commonPrefix: false }): string
}

const INDENT = 4

/** HEAD goes along with GET, and is not told. */
export function routesOf(app: Printable): string[] {
  const paths: string[] = []
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? []
      const depth = indent.length / INDENT
      paths.splice(depth, Number.POSITIVE_INFINITY, part)
      const path = paths.join('')
      return methods.split(', ').map((method) => `${method} ${path}`)
    })
    .filter((route) => /^(?!HEAD )[A-Z]/.test(route))
}
