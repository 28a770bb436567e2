"""The banner at start: a few lines with the address, the location of the data, and the first-run link."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from ostiary import __version__
from ostiary.app.core import Core, clock
from ostiary.app.operator.links import (
    base_url,
    remote_access_hint,
    remove_setup_link,
    setup_link,
    tls_url,
    write_setup_link,
)
from ostiary.proto.authority import is_loopback
from ostiary.settings import Settings
from ostiary.settings.secret_key import make_data_dir

log: Final = logging.getLogger("ostiary.app")


async def announce(core: Core, *, tls: bool, stream: TextIO | None = None) -> None:
    """Print the lines on a terminal. Elsewhere log them, and write the link to a file that only its owner can read.

    `tls` says whether the TLS listener runs: the default address is skipped when it is in use.
    """
    out = stream if stream is not None else sys.stdout
    link = await _first_run_link(core)
    over_tls = tls_url(core.settings) if tls else None
    for note in core.settings.notes:
        log.info("%s", note)
    if out.isatty():
        remove_setup_link(core.settings)
        notes = [f"  note       {note}" for note in host_notes(core)]
        out.write("\n".join([*_lines(core.settings, core.hosts.address(), over_tls, link), *notes]) + "\n")
        out.flush()
        return
    for note in host_notes(core):
        log.warning("%s", note)
    places = base_url(core.settings, core.hosts.address()) + (f" and {over_tls}" if over_tls else "")
    log.info("Ostiary %s on %s, data in %s", __version__, places, data_place(core.settings))
    if link is None:
        remove_setup_link(core.settings)
        return
    make_data_dir(core.settings.data_dir)
    hint = remote_access_hint(core.settings, core.hosts.address())
    log.info("first run: open the link in %s%s", write_setup_link(core.settings, link), f"; {hint}" if hint else "")


def data_place(settings: Settings) -> str:
    """Return the location of the data, as text."""
    if settings.postgresql is None:
        return f"{settings.database_file} (SQLite)"
    postgresql = settings.postgresql
    return f"PostgreSQL {postgresql.name} on {postgresql.host}:{postgresql.port}, schema ostiary"


def host_notes(core: Core) -> list[str]:
    """Return notes for the operator about our hosts, one sentence each."""
    how = "set OSTIARY_HOSTS=id.example.org (your name), or run: ostiary host add id.example.org"
    if core.hosts.accepts_any():
        return [f"any host name is answered, as before hosts were pinned, so that strangers choose our address; {how}"]
    listen = core.settings.listen
    public = [one for one in (listen.http, listen.https) if one is not None and not is_loopback(one.host)]
    if core.hosts.unnamed() and public:
        return [f"no host is named: until the first-run page is answered, only this machine gets answers; or {how}"]
    return []


async def _first_run_link(core: Core) -> str | None:
    if await core.setup.closed():
        return None
    return setup_link(core.settings, await core.setup.new_link_token(clock()), core.hosts.address())


def _lines(settings: Settings, host: str | None, over_tls: str | None, link: str | None) -> list[str]:
    lines = [
        f"Ostiary {__version__}",
        f"  pages      {base_url(settings, host)}",
        *([f"  with TLS   {over_tls}"] if over_tls else []),
        f"  data       {data_place(settings)}",
        f"  metrics    http://{settings.listen.metrics}/metrics",
    ]
    if link is not None:
        lines.append(f"  first run  {link}")
        lines.append("             (makes the first administrator; good once, for 24 hours)")
        hint = remote_access_hint(settings, host)
        if hint is not None:
            lines.append(f"             {hint}")
    return lines
