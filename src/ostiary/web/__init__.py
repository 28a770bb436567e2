"""The web's plumbing: requests, responses, the router, the ASGI application, forms, templates, static files.

Owns the limits of what a client may send, the security headers, and the one translation of errors into answers.
Serves /static/ostiary/ and nothing else. Must not know sessions, users, configuration or any page: rooms above hand
their routes and callables in.
"""
