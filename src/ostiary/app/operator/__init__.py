"""What commands do for the operator: backups, links, migrations, health checks."""

__all__ = ["backup", "links", "migration", "probe"]
