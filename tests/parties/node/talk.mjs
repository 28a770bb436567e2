// How a test speaks with a relying party: one command as a line of JSON in, one answer as a line of JSON out.
import { createInterface } from 'node:readline'

/** Answers commands until standard input ends. What a library throws is an answer as well. */
export async function serve(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...wanted } = JSON.parse(line)
    let answer
    try {
      answer = { result: (await commands[command](wanted)) ?? {} }
    } catch (error) {
      answer = { error: describe(error) }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}

/** What the developer of an application sees of an error, without the secrets of its request. */
export function describe(error) {
  const challenge = Array.isArray(error.cause) ? error.cause[0]?.parameters : undefined
  return {
    name: error.name,
    message: error.message,
    code: error.code,
    error: error.error ?? challenge?.error ?? error.cause?.error,
    description: error.error_description ?? challenge?.error_description,
    status: error.status ?? error.response?.status,
  }
}

/** The private key of the client as WebCrypto wants it. The test gives a JWK with alg and kid. */
export async function clientKey() {
  const jwk = JSON.parse(process.env.CLIENT_KEY)
  const algorithm = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } }
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm[jwk.alg], false, ['sign'])
  return { key, kid: jwk.kid }
}
