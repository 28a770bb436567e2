"""Plans: what one run through a flow knows, how it is made, and where it is kept."""

__all__ = ["changes", "destination", "flow_start", "logout", "pending_commit", "requirement"]
