"""An authenticator of another package: a carrier pigeon, which brings a letter."""
