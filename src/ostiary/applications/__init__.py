"""Applications, which people open, and the provider of each.

Owns the kind `authentik_core.application`, the family of providers and the reserved slugs. Serves no paths. Must not
know flows, protocols or pages.
"""

__all__ = ["by_provider", "provider", "resources", "room"]
