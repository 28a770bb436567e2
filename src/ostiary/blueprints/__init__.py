"""Blueprints: YAML files of desired objects, in authentik's format.

Owns the kind `authentik_blueprints.blueprintinstance`, the table `blueprint_state`, the shipped files in `defaults/`.
Serves no paths. Must not know how objects are stored (it speaks to the workspace only), nor any feature: every field
it writes is derived from the definitions in the registry.

load (`loader`, `wrapper`: text to nodes with positions) -> `document` (entries) -> `resolve` (tags) -> `apply` (one
workspace, one revision) -> `report`. `passes` applies several files until nothing changes; `discovery` keeps a
directory applied.
"""

__all__ = ["discovery", "report", "room", "service"]
