"""Plans: the state of one run of a flow, its start, its storage and its destination."""

__all__ = ["context_changes", "destination", "flow_start", "logout", "pending_commit", "requirement"]
