"""Package indexes of suites, and the resolver that chooses the packages of a container."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key

from ostiary_delivery.debian.control import Alternative, Paragraph, relations
from ostiary_delivery.debian.version import compare
from ostiary_delivery.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersion:
    """One version of a package in a suite: its path in the archive and its relations."""

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
        """Dependencies. Parsed on demand, because an archive has tens of thousands of packages."""
        return relations(self.needs)

    @property
    def conflicts(self) -> list[tuple[Alternative, ...]]:
        """Packages that it breaks or conflicts with."""
        return relations(self.excludes)


def package_versions(listed: Iterable[Paragraph], *, suite: str) -> list[PackageVersion]:
    """Return the package versions of one index."""
    return [_package_version(one, suite) for one in listed if "Package" in one]


@dataclass(slots=True)
class Index:
    """All versions by package name, newest last, and the providers of virtual packages."""

    by_name: dict[str, list[PackageVersion]] = field(default_factory=dict)
    providers: dict[str, set[str]] = field(default_factory=dict)

    def add(self, versions: Iterable[PackageVersion]) -> None:
        """Add the packages of one index."""
        for version in versions:
            same_name = self.by_name.setdefault(version.name, [])
            same_name.append(version)
            if len(same_name) > 1:
                same_name.sort(key=cmp_to_key(lambda one, other: compare(one.version, other.version)))
            for choice in relations(version.provides) if version.provides else ():
                self.providers.setdefault(choice[0].name, set()).add(version.name)


Pick = Callable[[str, Sequence[PackageVersion]], PackageVersion]


def resolve(names: Sequence[str], *, index: Index, without: Mapping[str, str], pick: Pick) -> list[PackageVersion]:
    """Return the wanted packages with all their dependencies, sorted by name; `pick` chooses among versions.

    Packages of `without` are left out, and so are packages that only they need.

    Raises:
        Refusal: a name is unknown, a version bound fails, or two packages exclude each other. The message lists all.
    """
    chosen: dict[str, PackageVersion] = {}
    problems: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in chosen:
            continue
        if name not in index.by_name:
            problems.append(f"there is no package {name}")
            continue
        package = chosen[name] = pick(name, index.by_name[name])
        for choice in package.depends:
            dependency = _choose_alternative(choice, index=index, chosen=chosen, without=without)
            if dependency is None:
                problems.append(f"{name} needs {' | '.join(str(one) for one in choice)}, which no suite has")
            elif dependency:
                waiting.append(dependency)
    unused = sorted(name for name in without if not _is_required(name, chosen.values()))
    problems += [f"{name} is left out, but nothing needs it" for name in unused]
    problems += _disagreements(chosen, index=index, without=without)
    if problems:
        raise Refusal("\n".join(sorted(set(problems))))
    return [chosen[name] for name in sorted(chosen)]


def _choose_alternative(
    choice: Sequence[Alternative], *, index: Index, chosen: Mapping[str, PackageVersion], without: Mapping[str, str]
) -> str | None:
    """Return the package that satisfies a choice, "" if it is satisfied already, None if nothing can."""
    for one in choice:
        if one.name in without or one.name in chosen or index.providers.get(one.name, set()) & chosen.keys():
            return ""
    for one in choice:
        if any(one.accepts(package.version) for package in index.by_name.get(one.name, ())):
            return one.name
    for one in choice:
        if index.providers.get(one.name):
            return min(index.providers[one.name])
    return None


def _is_required(name: str, chosen: Iterable[PackageVersion]) -> bool:
    return any(one.name == name for package in chosen for choice in package.depends for one in choice)


def _disagreements(chosen: Mapping[str, PackageVersion], *, index: Index, without: Mapping[str, str]) -> list[str]:
    problems = []
    for package in chosen.values():
        for choice in package.depends:
            selected = [one for one in choice if one.name in chosen]
            satisfied_otherwise = any(
                one.name in without or index.providers.get(one.name, set()) & chosen.keys() for one in choice
            )
            if (
                selected
                and not satisfied_otherwise
                and not any(one.accepts(chosen[one.name].version) for one in selected)
            ):
                actual = ", ".join(f"{one.name} {chosen[one.name].version}" for one in selected)
                problems.append(f"{package.name} needs {' | '.join(str(one) for one in choice)}, and there is {actual}")
        problems += [
            f"{package.name} excludes {one}, and there is {chosen[one.name].version}"
            for choice in package.conflicts
            for one in choice
            if one.name in chosen and one.name != package.name and one.accepts(chosen[one.name].version)
        ]
    return problems


def _package_version(one: Paragraph, suite: str) -> PackageVersion:
    source = one.get("Source", one["Package"]).partition(" ")[0]
    needs = ",".join(filter(None, (one.get("Pre-Depends"), one.get("Depends"))))
    excludes = ",".join(filter(None, (one.get("Breaks"), one.get("Conflicts"))))
    return PackageVersion(
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
