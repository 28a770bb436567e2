"""API v3: what authentik's clients ask of `/api/v3/`.

Owns who an API request speaks for (bearer or session) and the answers of the operations served so far: the public
configuration, the brand of the host, and who one is. The flow executor belongs to `flows`. Must not know SQL, pages
or any provider.
"""

__all__ = ["room"]
