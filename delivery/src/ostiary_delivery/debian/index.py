"""The packages that suites offer, and the choice of those that a container needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key

from ostiary_delivery.debian.control import Alternative, Paragraph, relations
from ostiary_delivery.debian.version import compare
from ostiary_delivery.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One package of one suite: where it lies in the archive, and what it asks for."""

    name: str
    version: str
    architecture: str
    source: str
    suite: str
    path: str
    sha256: str
    size: int
    needs: str
    excludes: str
    provides: str

    @property
    def depends(self) -> list[tuple[Alternative, ...]]:
        """What it asks for; read when asked, because an archive has tens of thousands of packages."""
        return relations(self.needs)

    @property
    def conflicts(self) -> list[tuple[Alternative, ...]]:
        """What it excludes."""
        return relations(self.excludes)


def offers(listed: Iterable[Paragraph], *, suite: str) -> list[Offer]:
    """Return the packages of one list."""
    return [_offer(one, suite) for one in listed if "Package" in one]


@dataclass(slots=True)
class Index:
    """All offers by name, newest last, and the names that somebody provides."""

    by_name: dict[str, list[Offer]] = field(default_factory=dict)
    providers: dict[str, set[str]] = field(default_factory=dict)

    def add(self, found: Iterable[Offer]) -> None:
        """Add the packages of one list."""
        for offer in found:
            known = self.by_name.setdefault(offer.name, [])
            known.append(offer)
            if len(known) > 1:
                known.sort(key=cmp_to_key(lambda one, other: compare(one.version, other.version)))
            for choice in relations(offer.provides) if offer.provides else ():
                self.providers.setdefault(choice[0].name, set()).add(offer.name)


Pick = Callable[[str, Sequence[Offer]], Offer]


def resolve(wanted: Sequence[str], *, index: Index, without: Mapping[str, str], pick: Pick) -> list[Offer]:
    """Return every package that the wanted ones need, sorted by name; `pick` chooses among versions of one name.

    Packages of `without` are left out, and so is what only they need.

    Raises:
        Refusal: a name is unknown, a bound cannot be kept or two packages exclude each other. All problems are told.
    """
    chosen: dict[str, Offer] = {}
    problems: list[str] = []
    waiting = list(wanted)
    while waiting:
        name = waiting.pop(0)
        if name in chosen:
            continue
        if name not in index.by_name:
            problems.append(f"there is no package {name}")
            continue
        offer = chosen[name] = pick(name, index.by_name[name])
        for choice in offer.depends:
            needed = _choose(choice, index=index, chosen=chosen, without=without)
            if needed is None:
                problems.append(f"{name} needs {' | '.join(str(one) for one in choice)}, which nobody offers")
            elif needed:
                waiting.append(needed)
    unused = sorted(name for name in without if not _asked_for(name, chosen.values()))
    problems += [f"{name} is left out, but nothing asks for it" for name in unused]
    problems += _disagreements(chosen, index=index, without=without)
    if problems:
        raise Refusal("\n".join(sorted(set(problems))))
    return [chosen[name] for name in sorted(chosen)]


def _choose(
    choice: Sequence[Alternative], *, index: Index, chosen: Mapping[str, Offer], without: Mapping[str, str]
) -> str | None:
    """Return the package to take, an empty text when none is needed, None when there is none."""
    for one in choice:
        if one.name in without or one.name in chosen or index.providers.get(one.name, set()) & chosen.keys():
            return ""
    for one in choice:
        if any(one.accepts(offer.version) for offer in index.by_name.get(one.name, ())):
            return one.name
    for one in choice:
        if index.providers.get(one.name):
            return min(index.providers[one.name])
    return None


def _asked_for(name: str, chosen: Iterable[Offer]) -> bool:
    return any(one.name == name for offer in chosen for choice in offer.depends for one in choice)


def _disagreements(chosen: Mapping[str, Offer], *, index: Index, without: Mapping[str, str]) -> list[str]:
    problems = []
    for offer in chosen.values():
        for choice in offer.depends:
            held = [one for one in choice if one.name in chosen]
            free = any(one.name in without or index.providers.get(one.name, set()) & chosen.keys() for one in choice)
            if held and not free and not any(one.accepts(chosen[one.name].version) for one in held):
                there = ", ".join(f"{one.name} {chosen[one.name].version}" for one in held)
                problems.append(f"{offer.name} needs {' | '.join(str(one) for one in choice)}, and there is {there}")
        problems += [
            f"{offer.name} excludes {one}, and there is {chosen[one.name].version}"
            for choice in offer.conflicts
            for one in choice
            if one.name in chosen and one.name != offer.name and one.accepts(chosen[one.name].version)
        ]
    return problems


def _offer(one: Paragraph, suite: str) -> Offer:
    source = one.get("Source", one["Package"]).partition(" ")[0]
    needs = ",".join(filter(None, (one.get("Pre-Depends"), one.get("Depends"))))
    excludes = ",".join(filter(None, (one.get("Breaks"), one.get("Conflicts"))))
    return Offer(
        name=one["Package"],
        version=one["Version"],
        architecture=one["Architecture"],
        source=source,
        suite=suite,
        path=one["Filename"],
        sha256=one["SHA256"],
        size=int(one["Size"]),
        needs=needs,
        excludes=excludes,
        provides=one.get("Provides", ""),
    )
