"""Brands: title, logo, and the flows a host name leads to.

Owns the kind `authentik_brands.brand` and the choice of the brand of a request. Serves no paths.
Must not know flows or pages: it only names them by primary key.
"""

from ostiary.brands.resources import Brand
from ostiary.brands.select import select

__all__ = ["Brand", "select"]
