"""A server on a PostgreSQL of its own, and what may be broken of it."""

from __future__ import annotations

from dataclasses import dataclass

from faults_seen import Watched
from support.forwarder import Forwarder
from support.postgres import PostgresServer

from ostiary.store.postgresql.opening import PostgresConfig


@dataclass
class OnPostgres:
    """A server, the database it works on, and what lies between."""

    watched: Watched
    postgres: PostgresServer
    config: PostgresConfig
    address: Forwarder

    def admin(self, *statements: str) -> None:
        """Run statements as the superuser, in the database of the server."""
        self.postgres.admin(*statements, database=self.config.name)

    def end_connections(self) -> None:
        self.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.config.user}'")


def settings(config: PostgresConfig, port: int) -> dict[str, str]:
    return {
        "OSTIARY_SECRET_KEY": "a-secret-key-of-the-tests-of-faults-0123456789",
        "OSTIARY_POSTGRESQL__HOST": "127.0.0.1",
        "OSTIARY_POSTGRESQL__PORT": str(port),
        "OSTIARY_POSTGRESQL__NAME": config.name,
        "OSTIARY_POSTGRESQL__USER": config.user,
        "OSTIARY_POSTGRESQL__PASSWORD": config.password.reveal(),
    }
