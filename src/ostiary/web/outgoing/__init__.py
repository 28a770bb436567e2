"""The one way out of this program: forms posted and documents read at addresses of others."""
