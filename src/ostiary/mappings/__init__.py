"""Property mappings: which claims a granted scope adds to tokens and userinfo.

Owns the family of property mappings, the kind `authentik_providers_oauth2.scopemapping`, the stock expressions with
their native functions, and the merge rules. Serves no paths. Must not know flows, protocols or grants.
"""

__all__ = ["asking", "claims", "exceptions", "resources", "room", "scope_mapping"]
