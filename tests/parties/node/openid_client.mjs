// An application with openid-client 6, used as its documentation says.
import * as client from 'openid-client'
import { clientKey, serve } from './talk.mjs'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env
let config, options, sent, tokens, claims, callback

async function authentication(name) {
  switch (name) {
    case 'client_secret_post':
      return client.ClientSecretPost(CLIENT_SECRET)
    case 'client_secret_jwt':
      return client.ClientSecretJwt(CLIENT_SECRET)
    case 'private_key_jwt':
      return client.PrivateKeyJwt(await clientKey())
    case 'none':
      return client.None()
    default:
      return client.ClientSecretBasic(CLIENT_SECRET)
  }
}

const bound = () => (options.dpop ? { DPoP: options.handle } : undefined)

function keep(answer) {
  tokens = { ...tokens, ...answer }
  claims = answer.claims?.() ?? claims
  return { token_type: answer.token_type, scope: answer.scope, expires_in: answer.expires_in, claims, names: Object.keys(answer) }
}

/** An answer that came as a form: the request as the application's server would get it. */
const arrived = ({ url, form }) => (form ? new Request(url, { method: 'POST', body: new URLSearchParams(form) }) : new URL(url))

async function redeem(back) {
  const expected = { pkceCodeVerifier: sent.verifier, expectedState: sent.state, expectedNonce: sent.nonce, idTokenExpected: true }
  return client.authorizationCodeGrant(config, arrived(back), expected, undefined, bound())
}

await serve({
  async discover(wanted) {
    options = wanted
    const metadata = { id_token_signed_response_alg: options.alg, authorization_signed_response_alg: options.alg }
    const execute = [client.allowInsecureRequests]
    if (options.jarm) execute.push(client.useJwtResponseMode)
    if (options.hybrid) execute.push(client.useCodeIdTokenResponseType)
    if (options.implicit) execute.push(client.useIdTokenResponseType)
    config = await client.discovery(new URL(ISSUER), CLIENT_ID, metadata, await authentication(options.auth), { execute })
    if (options.dpop) options.handle = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    return config.serverMetadata()
  },
  async authorize({ parameters }) {
    sent = { verifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() }
    const asked = { redirect_uri: REDIRECT_URI, scope: 'openid email profile', state: sent.state, nonce: sent.nonce, ...parameters }
    if (!options.implicit) {
      asked.code_challenge = await client.calculatePKCECodeChallenge(sent.verifier)
      asked.code_challenge_method = 'S256'
    }
    if (options.par) return { url: await client.buildAuthorizationUrlWithPAR(config, asked, bound()) }
    if (options.jar) return { url: await client.buildAuthorizationUrlWithJAR(config, asked, await clientKey()) }
    return { url: client.buildAuthorizationUrl(config, asked) }
  },
  async callback(back) {
    callback = back
    if (options.implicit) {
      claims = await client.implicitAuthentication(config, arrived(back), sent.nonce, { expectedState: sent.state })
      return { claims }
    }
    return keep(await redeem(back))
  },
  replay: async () => keep(await redeem(callback)),
  userinfo: () => client.fetchUserInfo(config, tokens.access_token, claims.sub, bound()),
  refresh: async () => keep(await client.refreshTokenGrant(config, tokens.refresh_token, undefined, bound())),
  introspect: ({ token }) => client.tokenIntrospection(config, tokens[token]),
  revoke: ({ token }) => client.tokenRevocation(config, tokens[token]),
  credentials: async ({ parameters }) => keep(await client.clientCredentialsGrant(config, parameters, bound())),
  async device({ parameters }) {
    sent = await client.initiateDeviceAuthorization(config, parameters)
    return sent
  },
  poll: async () => keep(await client.pollDeviceAuthorizationGrant(config, { ...sent, interval: 1 }, undefined, bound())),
  tokens: () => tokens,
  leave: ({ parameters }) => ({ url: client.buildEndSessionUrl(config, { ...parameters, ...(tokens?.id_token && { id_token_hint: tokens.id_token }) }) }),
})
