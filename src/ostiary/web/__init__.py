"""The web framework: requests, responses, the router, the ASGI application, forms, templates, static files.

Owns the limits of requests, the security headers, and the one translation of errors into responses.
Serves /static/ostiary/ and nothing else. Must not know sessions, users, configuration or any page: rooms above pass
their routes and callables in.
"""

__all__ = [
    "addresses",
    "asgi",
    "csrf",
    "errors",
    "language",
    "negotiation",
    "outgoing",
    "page_cache",
    "parameters",
    "proxies",
    "request",
    "response",
    "router",
    "static",
    "templates",
]
