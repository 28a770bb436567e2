// An application with oauth4webapi 3: every request of the protocols by itself.
import * as oauth from 'oauth4webapi'
import { clientKey, serve } from './talk.mjs'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env
const plain = { [oauth.allowInsecureRequests]: true }
const client = { client_id: CLIENT_ID }
let server, options, prove, sent, tokens, claims

async function authentication(name) {
  switch (name) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(CLIENT_SECRET)
    case 'client_secret_jwt':
      return oauth.ClientSecretJwt(CLIENT_SECRET)
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(await clientKey())
    case 'none':
      return oauth.None()
    default:
      return oauth.ClientSecretPost(CLIENT_SECRET)
  }
}

const bound = () => (options.dpop ? { ...plain, DPoP: options.handle } : plain)

/** Sends a request once more when the server answered it with a nonce for the proof (RFC 9449 8). */
async function withNonce(ask) {
  try {
    return await ask()
  } catch (error) {
    if (!options.dpop || !oauth.isDPoPNonceError(error)) throw error
    return ask()
  }
}

async function push(parameters) {
  return withNonce(async () => {
    const answer = await oauth.pushedAuthorizationRequest(server, client, prove, parameters, bound())
    return oauth.processPushedAuthorizationResponse(server, client, answer)
  })
}

async function redeem(parameters) {
  return withNonce(async () => {
    const answer = await oauth.authorizationCodeGrantRequest(server, client, prove, parameters, REDIRECT_URI, sent.verifier, bound())
    return oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: sent.nonce, requireIdToken: true })
  })
}

function keep(answer) {
  tokens = { ...tokens, ...answer }
  claims = oauth.getValidatedIdTokenClaims(answer) ?? claims
  return { token_type: answer.token_type, scope: answer.scope, expires_in: answer.expires_in, claims, names: Object.keys(answer) }
}

async function resource(handle) {
  const answer = await oauth.userInfoRequest(server, client, tokens.access_token, { ...plain, ...(handle && { DPoP: handle }) })
  return oauth.processUserInfoResponse(server, client, claims.sub, answer)
}

await serve({
  async discover(wanted) {
    options = wanted
    const issuer = new URL(ISSUER)
    server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plain))
    if (options.alg) client.id_token_signed_response_alg = options.alg
    prove = await authentication(options.auth)
    if (options.dpop) options.handle = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
    return server
  },
  async authorize({ parameters }) {
    sent = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() }
    const asked = new URLSearchParams({
      client_id: CLIENT_ID,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid email profile',
      code_challenge: await oauth.calculatePKCECodeChallenge(sent.verifier),
      code_challenge_method: 'S256',
      state: sent.state,
      nonce: sent.nonce,
      ...parameters,
    })
    const url = new URL(server.authorization_endpoint)
    if (!options.par) return { url: `${url}?${asked}` }
    const pushed = await push(asked)
    return { url: `${url}?${new URLSearchParams({ client_id: CLIENT_ID, request_uri: pushed.request_uri })}`, ...pushed }
  },
  async callback({ url }) {
    const check = options.jarm ? oauth.validateJwtAuthResponse : oauth.validateAuthResponse
    sent.answer = await check(server, client, new URL(url), sent.state, ...(options.jarm ? [plain] : []))
    return keep(await redeem(sent.answer))
  },
  replay: async () => keep(await redeem(sent.answer)),
  userinfo: () => withNonce(() => resource(options.handle)),
  // Somebody who found the token, with a key of his own, and with none.
  stolen: async () => resource(oauth.DPoP(client, await oauth.generateKeyPair('ES256'))),
  bare: () => resource(undefined),
  async refresh() {
    return withNonce(async () => {
      const answer = await oauth.refreshTokenGrantRequest(server, client, prove, tokens.refresh_token, bound())
      return keep(await oauth.processRefreshTokenResponse(server, client, answer))
    })
  },
  async introspect({ token }) {
    const answer = await oauth.introspectionRequest(server, client, prove, tokens[token], plain)
    return oauth.processIntrospectionResponse(server, client, answer)
  },
  async revoke({ token }) {
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, prove, tokens[token], plain))
  },
  async credentials({ parameters }) {
    return withNonce(async () => {
      const answer = await oauth.clientCredentialsGrantRequest(server, client, prove, new URLSearchParams(parameters), bound())
      return keep(await oauth.processClientCredentialsResponse(server, client, answer))
    })
  },
  tokens: () => tokens,
})
