import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSensitiveName, LEFT_OUT, redactText } from './redact-text.ts'

test('secrets of known forms go, and what stands around them stays', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"password":"a\\"b, c","user":"u"}', `{"password":"${LEFT_OUT}","user":"u"}`],
    ['{"adminToken": "abc"}', `{"adminToken": "${LEFT_OUT}"}`],
    ['"applied":"{\\"password\\":\\"abc\\",\\"x\\":1}"', `"applied":"{\\"password\\":\\"${LEFT_OUT}\\",\\"x\\":1}"`],
    ["api_key: 'a b c'", `api_key: '${LEFT_OUT}'`],
    ['start --token=abc --http 0.0.0.0:80', `start --token=${LEFT_OUT} --http 0.0.0.0:80`],
    ['SECRET=abc,next', `SECRET=${LEFT_OUT},next`],
    ['authorization: Basic dXNlcjpwYXNz more', `authorization: Basic ${LEFT_OUT} more`],
    ['"Authorization":"Bearer abc.def"', `"Authorization":"Bearer ${LEFT_OUT}"`],
    ['sent bearer 0123456789abcdef to it', `sent bearer ${LEFT_OUT} to it`],
    ['got eyJhbGciOiJSUzI1.eyJzdWIiOiIx.c2lnbmF0dXJl!', `got ${LEFT_OUT}!`],
    ['proxy http://user:pa55@proxy:3128/x', `proxy http://${LEFT_OUT}@proxy:3128/x`],
    [
      '-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\nabcd\n-----END RSA PRIVATE KEY-----\nnext',
      `-----BEGIN RSA PRIVATE KEY----- ${LEFT_OUT}\nnext`,
    ],
    ['"-----BEGIN PRIVATE KEY-----\\nMIIE\\nab"', `"-----BEGIN PRIVATE KEY----- ${LEFT_OUT}"`],
  ]
  for (const [text, wanted] of cases) assert.equal(redactText(text), wanted)
})

test('settings, references and figures stay, and JSON stays JSON', () => {
  const object = {
    automountServiceAccountToken: false,
    tokenExpirationSeconds: 3607,
    secret: { secretName: 'orders-admin', items: [{ key: 'token', path: 'token' }] },
    secretKeyRef: { name: 'orders-admin', key: 'token' },
    args: ['--token-file=/etc/thermocline/token', '--http=0.0.0.0:7401'],
    tokens: 5,
    token: null,
    image: 'registry:5000/thermocline@sha256:0123456789abcdef',
    message: 'see https://kubernetes.io/docs and http://10.0.0.1:7401/metrics',
  }
  const text = JSON.stringify(object, undefined, 2)
  assert.equal(redactText(text), text)
  const planted = JSON.stringify({ token: 'x', nested: JSON.stringify({ password: 'y"z' }), list: [{ apiKey: 'k' }] })
  const clean = JSON.parse(redactText(planted)) as Record<string, unknown>
  assert.deepEqual([clean.token, /y"z|"k"/.test(JSON.stringify(clean))], [LEFT_OUT, false])
})

test('values that are known go wherever they are', () => {
  assert.equal(redactText('a f00dcafe-f00d b', ['f00dcafe-f00d', '']), `a ${LEFT_OUT} b`)
  assert.equal(redactText('short', ['s']), 'short')
})

test('long lines without an end cost no more than they are long', () => {
  const text = `${'a'.repeat(1_000_000)} ${'token'.repeat(200_000)} ${'eyJ'.repeat(300_000)} ${'\\'.repeat(500_000)}`
  const startedMs = performance.now()
  redactText(text)
  assert.ok(performance.now() - startedMs < 5000)
})

test('names that end in what is secret are sensitive', () => {
  for (const name of ['password', 'DB_PASSWORD', 'adminToken', '--api-key', 'secret', 'accessKey']) assert.ok(isSensitiveName(name), name)
  for (const name of ['key', 'tokenFile', 'secretName', 'replicas', '--token-key-file']) assert.ok(!isSensitiveName(name), name)
})
