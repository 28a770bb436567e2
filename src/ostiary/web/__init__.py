"""The web framework: requests, responses, the router, the ASGI application, forms, templates, static files.

Owns the request limits, the security headers, and the translation of errors into responses. Serves only
/static/ostiary/. Must not know sessions, users, configuration or any page: higher rooms pass in their routes and
callables.
"""

__all__ = [
    "addresses",
    "asgi",
    "csrf",
    "errors",
    "language",
    "logged",
    "negotiation",
    "outgoing",
    "parameters",
    "proxies",
    "request",
    "response",
    "router",
    "static",
    "templates",
]
