// A site with passport-openidconnect on node's own HTTP server, with sessions as Express sites have them.
import { createServer } from 'node:http'
import session from 'express-session'
import passport from 'passport'
import OpenIDConnectStrategy from 'passport-openidconnect'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, PORT } = process.env
const site = `http://localhost:${PORT}`
const known = await (await fetch(`${ISSUER}.well-known/openid-configuration`)).json()

const strategy = new OpenIDConnectStrategy(
  {
    issuer: known.issuer,
    authorizationURL: known.authorization_endpoint,
    tokenURL: known.token_endpoint,
    userInfoURL: known.userinfo_endpoint,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    callbackURL: REDIRECT_URI,
    scope: ['email', 'profile'],
  },
  (issuer, profile, done) => done(null, { issuer, ...profile }),
)
passport.use(strategy)
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const before = [
  session({ secret: 'a secret of the tests', resave: false, saveUninitialized: false }),
  passport.initialize(),
  passport.session(),
]

/** What passport takes for granted from Express. */
function redirect(to) {
  this.writeHead(302, { location: to })
  this.end()
}

function answer(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

const pages = {
  '/': (request, response) => answer(response, request.user ? 200 : 401, { user: request.user ?? null }),
  '/login': passport.authenticate('openidconnect'),
  '/quiet': passport.authenticate('openidconnect', { prompt: 'none' }),
  '/callback': passport.authenticate('openidconnect', { successRedirect: '/', failureRedirect: '/failed', failureMessage: true }),
  '/failed': (request, response) => answer(response, 403, { failed: request.session.messages ?? [] }),
}

createServer((request, response) => {
  const url = new URL(request.url, site)
  request.query = Object.fromEntries(url.searchParams)
  response.redirect = redirect
  const last = (error) =>
    error
      ? answer(response, error.status ?? 500, { name: error.name, code: error.code, message: error.message })
      : answer(response, 404, {})
  const steps = [...before, pages[url.pathname] ?? ((_request, _response, next) => next())]
  const next = (error) => (error || steps.length === 0 ? last(error) : steps.shift()(request, response, next))
  next()
}).listen(Number(PORT), '127.0.0.1')
