"""A room of somebody else: one stage, one policy and one kind, none of which Ostiary's own tree knows."""
