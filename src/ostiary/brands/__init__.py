"""Brands: title, logo, and the flows a host name leads to.

Owns the kinds `authentik_brands.brand` and `ostiary_brands.host` (which addresses are ours), and the choice of the
brand of a request. Serves no paths.
Must not know flows or pages: it only names them by primary key.
"""

__all__ = ["hosts", "pictures", "resources", "room", "select"]
