"""What a run found: samples by operation and target, beside starts, memory and OpenSSL's own rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from growth import Size
from operations import Sample

SQLITE: Final = "Ostiary, SQLite"
POSTGRESQL: Final = "Ostiary, PostgreSQL"
NODE: Final = "oidc-provider"
DJANGO: Final = "django-oauth-toolkit"


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds and CPU seconds until the first answer, and memory at rest in MB."""

    seconds: float
    cpu: float
    pss: float
    rss: float


@dataclass(slots=True)
class Results:
    """Everything that is told."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)  # by operation and target
    starts: dict[str, list[Start]] = field(default_factory=dict)
    after: dict[str, tuple[float, float]] = field(default_factory=dict)  # PSS and RSS after the load
    openssl: dict[str, list[float]] = field(default_factory=dict)  # signatures in a CPU second
    growth: Mapping[Size, Mapping[str, list[Sample]]] = field(default_factory=dict)
    hash_cost: float = 0.0  # CPU microseconds of one password hash
    expressions: Mapping[str, float] = field(default_factory=dict)  # CPU microseconds of one run, by what is run
    profiles: dict[str, str] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    rounds: int = 0

    def cost(self, operation: str, target: str) -> float | None:
        """Return the least CPU microseconds of one, over the rounds."""
        found = self.samples.get((operation, target))
        return min(one.cost for one in found) if found else None

    def rate(self, operation: str, target: str) -> float | None:
        """Return the most in a second, over the rounds."""
        found = self.samples.get((operation, target))
        return max(one.rate for one in found) if found else None

    def spread(self, operation: str, target: str) -> float:
        """Return how much more the middle round cost than the best, as a share."""
        costs = sorted(one.cost for one in self.samples[operation, target])
        return costs[len(costs) // 2] / costs[0] - 1

    def ratio(self, operation: str, target: str, peer: str) -> float | None:
        """Return how many times as much the peer needs."""
        own, other = self.cost(operation, target), self.cost(operation, peer)
        return other / own if own and other else None

    def ratio_spread(self, operation: str, target: str, peer: str) -> tuple[float, float]:
        """Return the least and the greatest ratio of any two of the better halves of the rounds."""
        own, other = (
            sorted(one.cost for one in self.samples[operation, name])[: max(1, (self.rounds + 1) // 2)]
            for name in (target, peer)
        )
        return other[0] / own[-1], other[-1] / own[0]


@dataclass(frozen=True, slots=True)
class Goal:
    """A line of the list of goals: what was asked, what was found, whether it is reached."""

    title: str
    wanted: str
    found: str
    reached: bool
    operation: str = ""  # whose profile says more


def goals(results: Results) -> list[Goal]:
    """Return the goals with what was found, as far as it was measured."""
    made = [*_against_openssl(results), *_against_peers(results), *_against_sqlite(results), *_at_rest(results)]
    return [*made, *_expressions(results), *_flat(results)]


def _against_openssl(results: Results) -> list[Goal]:
    cost = results.cost("rs256", SQLITE)
    if not cost or "rsa2048" not in results.openssl:
        return []
    share = (1e6 / cost) / max(results.openssl["rsa2048"])
    return [Goal("client_credentials RS256 / openssl's rate", ">= 0.65", f"{share:.2f}", share >= 0.65, "rs256")]  # noqa: PLR2004


def _against_peers(results: Results) -> list[Goal]:
    wanted = (
        ("rs256", NODE, 1.5),
        ("es256", NODE, 2.5),
        ("opaque", NODE, 2.0),
        ("opaque", DJANGO, 15.0),
        ("userinfo", NODE, 4.0),
        ("introspect", NODE, 3.0),
        ("login", NODE, 2.0),
    )
    made = []
    for operation, peer, least in wanted:
        found = results.ratio(operation, SQLITE, peer)
        if found is not None:
            low, high = results.ratio_spread(operation, SQLITE, peer)
            title = f"{operation}: times cheaper than {peer}"
            made.append(
                Goal(title, f">= {least:g}", f"{found:.2f} ({low:.2f} to {high:.2f})", found >= least, operation)
            )
    return made


def _against_sqlite(results: Results) -> list[Goal]:
    made = []
    for operation in ("rs256", "es256", "opaque", "code", "refresh", "userinfo", "introspect", "login"):
        found = results.ratio(operation, SQLITE, POSTGRESQL)
        if found is not None:
            title = f"{operation}: PostgreSQL's share of SQLite's cost"
            made.append(Goal(title, "<= 1.3", f"{found:.2f}", found <= 1.3, operation))  # noqa: PLR2004
    return made


def _at_rest(results: Results) -> list[Goal]:
    made = []
    if SQLITE in results.starts:
        least = min(one.pss for one in results.starts[SQLITE])
        made.append(Goal("memory at rest, PSS", "<= 45 MB", f"{least:.0f} MB", least <= 45))  # noqa: PLR2004
        if NODE in results.starts:
            own, other = (min(one.seconds for one in results.starts[name]) for name in (SQLITE, NODE))
            made.append(
                Goal("first answer, seconds", f"<= {other:.2f} (oidc-provider)", f"{own:.2f}", own <= other, "start")
            )
    return made


def _expressions(results: Results) -> list[Goal]:
    if "small" not in results.expressions:
        return []
    cost = results.expressions["small"]
    return [Goal("a small expression, server and worker", "<= 400", f"{cost:.0f}", cost <= 400)]  # noqa: PLR2004


def _flat(results: Results) -> list[Goal]:
    made = []
    for dimension in dict.fromkeys(size.dimension for size in results.growth):
        sizes = [size for size in results.growth if size.dimension == dimension]
        least = {name: _best(results.growth[sizes[0]][name]) for name in results.growth[sizes[0]]}
        worst, name = max(
            (_best(samples) / least[name], name) for size in sizes for name, samples in results.growth[size].items()
        )
        made.append(
            Goal(f"growth of {dimension}: most costly / smallest", "<= 1.5", f"{worst:.2f} ({name})", worst <= 1.5)  # noqa: PLR2004
        )
    return made


def _best(samples: Sequence[Sample]) -> float:
    return min(one.cost for one in samples)
