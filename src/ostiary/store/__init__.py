"""The store: databases, migrations, the config plane (documents, edges, revisions, snapshot) and the workspace.

Owns the tables `schema_step`, `counter`, `single_use`, `document`, `edge`, `revision`, `config_head`. Serves no paths.
Must not know any feature: kinds and directory tables are handed to it by the application.
"""
