"""The store: databases, migrations, the configuration plane (documents, edges, revisions, snapshot), the workspace.

Owns the tables `schema_step`, `counter`, `single_use`, `document`, `edge`, `revision`, `config_head`. Serves no paths.
Must not know any feature: the application passes kinds and directory backends to it.
"""

__all__ = [
    "activity",
    "configuration",
    "counter",
    "database",
    "hashing",
    "loop",
    "migrations",
    "ordered_key",
    "pace",
    "postgresql",
    "room",
    "single_use",
    "sqlite",
    "sweeping",
    "timeouts",
    "workspace",
]
