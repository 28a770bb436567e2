"""Brands: title, logo and default flows of a domain.

Owns the kinds `authentik_brands.brand` and `ostiary_brands.host` (the installation's own addresses), and selects the
brand of a request. Serves no paths. Must not know flows or pages: brands reference them by primary key.
"""

__all__ = ["hosts", "pictures", "resources", "room", "select"]
