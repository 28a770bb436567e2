"""Recovery codes, of which each signs in once."""
