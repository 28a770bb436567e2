"""The grants of the token endpoint, one module each: what was granted, and how its tokens are stored."""
