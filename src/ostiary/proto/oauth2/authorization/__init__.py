"""The authorization request and its response: parsed, compared and built."""
