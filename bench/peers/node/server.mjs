// oidc-provider set up to do the same work as Ostiary: node server.mjs PORT. Keys are made at the start.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { MapStore } from './store.mjs';

const port = Number(process.argv[2]);
const base = `http://127.0.0.1:${port}`;
const RESOURCE = 'urn:bench:api';
const CALLBACK = 'http://localhost:9/callback';

const jwk = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg,
});

const client = (id, alg) => ({
  client_id: id,
  client_secret: 'bench-secret-0123456789-0123456789-0123456789',
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  redirect_uris: [CALLBACK],
  id_token_signed_response_alg: alg,
});

const provider = new Provider(base, {
  adapter: MapStore,
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
  clients: [client('bench-rs256', 'RS256'), client('bench-es256', 'ES256'), client('bench-opaque', 'RS256')],
  cookies: { keys: ['bench-cookie-key'] },
  scopes: ['openid', 'email', 'profile', 'offline_access', 'read'],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'preferred_username', 'nickname', 'groups'],
  },
  conformIdTokenClaims: false, // the claims of the scopes stand in the ID token, as with Ostiary
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // Without prompt=consent it would give none; with it, it would ask again at every request.
  issueRefreshToken: async () => true,
  expiresWithSession: async () => false,
  ttl: { AccessToken: 3600, AuthorizationCode: 600, ClientCredentials: 3600, IdToken: 3600, RefreshToken: 2_592_000,
    Grant: 2_592_000, Interaction: 3600, Session: 86_400 },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // Only client_credentials of the two JWT clients has a resource: its access tokens are JWTs.
      defaultResource: (ctx, asking) => (
        ctx.oidc.body?.grant_type === 'client_credentials' && asking.clientId !== 'bench-opaque' ? RESOURCE : undefined),
      useGrantedResource: () => false,
      getResourceServerInfo: (_ctx, _resource, asking) => ({
        scope: 'read',
        audience: asking.clientId,
        accessTokenTTL: 3600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: asking.clientId === 'bench-es256' ? 'ES256' : 'RS256' } },
      }),
    },
  },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id, email: `${id}@example.org`, email_verified: true, name: 'Ada Lovelace', given_name: 'Ada Lovelace',
      preferred_username: id, nickname: id, groups: ['bench-people'],
    }),
  }),
});

provider.listen(port, '127.0.0.1');
