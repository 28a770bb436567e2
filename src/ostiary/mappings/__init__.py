"""Property mappings: the claims that a granted scope adds to tokens and userinfo.

It owns the family of property mappings, the kind `authentik_providers_oauth2.scopemapping`, the stock expressions with
their native functions, and the merging of claims. It serves no paths. It knows no flows, protocols or grants.
"""

__all__ = ["claims", "mapping_context", "mapping_events", "resources", "room", "scope_mapping"]
