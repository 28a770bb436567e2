"""What commands do for the operator: backups, links, migrations, health checks."""
