"""Where the text of a setting comes from: environment, file, default; and what env:// and file:// point at."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ostiary.record import dataclass
from ostiary.settings.errors import InvalidSetting, UnknownSetting
from ostiary.settings.table import ALIAS_PREFIX, CONFIG_VARIABLE, NAMES, PREFIX, TABLE, Setting

DEFAULT_FILE: Final = Path("/etc/ostiary/config.yml")


@dataclass(frozen=True, slots=True)
class Found:
    """The text of a setting and where it stood. `text` is None when nothing was given and there is no default."""

    text: str | None
    source: str  # "environment OSTIARY_...", "file /etc/...", "default"
    blame: str  # how messages name it: the variable, or the key and the file


def refuse_unknown(environ: Mapping[str, str]) -> None:
    """Raise UnknownSetting for an OSTIARY_ variable of no setting. Unknown AUTHENTIK_ ones are left for blueprints."""
    known = {setting.variable for setting in TABLE} | {CONFIG_VARIABLE}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise UnknownSetting(
                f"{name}: no such setting, the nearest is {near}"
                f" (a variable meant for !Env in a blueprint needs a name without {PREFIX})"
            )


def find(setting: Setting, environ: Mapping[str, str], file: Mapping[str, str], file_name: str) -> Found:
    """Return the text of a setting; an empty text counts as not given. Raises InvalidSetting for a dangling pointer."""
    for variable in (setting.variable, setting.alias_variable):
        if variable is not None and environ.get(variable):
            text = _follow(environ[variable], variable, environ)
            if text:
                return Found(text, f"environment {variable}", variable)
    if file.get(setting.name):
        blame = f"{setting.name} in {file_name}"
        text = _follow(file[setting.name], blame, environ)
        if text:
            return Found(text, f"file {file_name}", blame)
    if not setting.default:
        return Found(setting.default, "default", setting.variable)
    return Found(_follow(setting.default, setting.variable, environ), "default", setting.variable)


def _follow(text: str, blame: str, environ: Mapping[str, str]) -> str:
    """Return what env://NAME?default or file:///path?default points at; any other text as it is."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in {"env", "file"}:
        return text
    target, has_default, default = rest.partition("?")
    if scheme == "env":
        if target in environ:
            return environ[target]
    else:
        try:
            return Path(target).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if not has_default:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise InvalidSetting(f"{blame}: expected the readable file {target}, but: {reason}") from error
    if has_default:
        return default
    raise InvalidSetting(f"{blame}: expected the environment variable {target} to be set")


def read_file(environ: Mapping[str, str], default: Path | None) -> tuple[Mapping[str, str], str]:
    """Return the settings of the configuration file by dotted name, and the file's name.

    OSTIARY_CONFIG names the file and it must exist; else `default` is read if it is there.
    Raises InvalidSetting, UnknownSetting.
    """
    named = environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else default
    if path is None or (not named and not path.exists()):
        return {}, ""
    import yaml  # noqa: PLC0415 - start-up without a file does not pay for it

    try:
        # BaseLoader leaves every scalar a text: the setting decides the type.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes only texts
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{CONFIG_VARIABLE}: expected a readable file, but {path}: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidSetting(f"{path}: expected YAML, but {' '.join(str(error).split())}") from error
    if document in (None, ""):
        return {}, str(path)
    if not isinstance(document, dict):
        raise InvalidSetting(f"{path}: expected a mapping of settings")
    return dict(_flatten(document, "", path)), str(path)


def _flatten(document: Mapping[object, object], prefix: str, path: Path) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.", path)
            continue
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0)[0]
            raise UnknownSetting(f"{name} in {path}: no such setting, the nearest is {near}")
        if isinstance(value, list):
            yield name, ",".join(str(item) for item in value)
        else:
            yield name, str(value)


def aliases_not_needed(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence for settings of authentik that are accepted and have no work to do here."""
    if any(name.startswith(f"{ALIAS_PREFIX}REDIS__") for name in environ):
        yield f"{ALIAS_PREFIX}REDIS__* is set, and not needed: no Redis is used"
