"""The definition of a provider, the client compiled from it, and the validation at save."""
