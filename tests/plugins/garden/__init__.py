"""A room of somebody else: a stage, an authenticator, a policy, a provider and a kind, none of which Ostiary's own tree knows."""
