/** Stands in for the node program in tests of `up`: status and topology over HTTP, the topology kept in --data. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const names = ['role', 'data', 'group', 'replica', 'cluster', 'listen', 'http', 'memory', 'token-file']
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])) })
const flag = (name: string) => String(values[name])

if (process.env.FAKE_NODE_FAILS === flag('replica')) {
  console.error('the fake node fails, as asked')
  process.exit(1)
}

const volume = join(flag('data'), 'volume.json')
interface Volume {
  nonce: string
  topology: { epoch: number } | null
}
const state: Volume = existsSync(volume)
  ? (JSON.parse(readFileSync(volume, 'utf8')) as Volume)
  : { nonce: randomBytes(8).toString('hex'), topology: null }
const save = () => writeFileSync(volume, JSON.stringify(state))
save()

function status() {
  return {
    state: state.topology === null ? 'joining' : 'serving',
    clusterId: flag('cluster'),
    group: Number(flag('group')),
    replica: Number(flag('replica')),
    incarnation: { number: 0, nonce: state.nonce },
    pid: process.pid,
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (code: number, body: unknown) => {
    response.writeHead(code, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify(body))
  }
  if (request.url === '/v1/admin/status') answer(200, status())
  else if (request.url !== '/v1/admin/topology') answer(404, { code: 'not_found', message: 'no route' })
  else if (request.method === 'GET') answer(200, state.topology)
  else if (request.headers.authorization !== `Bearer ${readFileSync(flag('token-file'), 'utf8').trim()}`) {
    answer(401, { code: 'unauthorized', message: 'wrong token' })
  } else {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const given = JSON.parse(Buffer.concat(chunks).toString()) as { epoch: number }
    if (state.topology !== null && JSON.stringify(state.topology) !== JSON.stringify(given)) {
      answer(409, { code: 'stale_epoch', message: 'not newer' })
      return
    }
    state.topology = given
    save()
    answer(200, { epoch: given.epoch })
  }
}

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    response.destroy(error as Error)
  })
})
server.listen(Number(flag('http').split(':')[1]), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
