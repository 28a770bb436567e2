"""The ways of signing in through somebody else, one room each. They never import each other, nor a provider.

A source's kind, its redirect and its answer lie in its room; `trust` has the fields of all sources and issuers' keys.
"""

__all__ = ["issuer_keys", "resources", "room"]
