"""Recovery codes; each is valid once."""
