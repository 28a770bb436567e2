"""Client authentication and token binding."""
