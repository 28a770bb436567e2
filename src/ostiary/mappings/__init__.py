"""Property mappings: the claims that a granted scope adds to tokens and userinfo.

It owns the family of property mappings, the kind `authentik_providers_oauth2.scopemapping`, the stock expressions with
their native functions, the merging of claims, and, in `kinds`, mappings whose protocol is not served yet. It serves no
paths. It knows no flows, protocols or grants.
"""

__all__ = ["claims", "evaluation", "mapping_context", "mapping_events", "resources", "room", "scope_mapping"]
