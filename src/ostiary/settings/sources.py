"""The sources of a setting: environment, file, default; and the references env:// and file://."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from ostiary.record import dataclass
from ostiary.settings.errors import InvalidSetting, UnknownSetting
from ostiary.settings.table import ALIAS_PREFIX, CONFIG_VARIABLE, NAMES, PREFIX, TABLE, Setting

DEFAULT_FILE: Final = Path("/etc/ostiary/config.yml")


@dataclass(frozen=True, slots=True)
class RawValue:
    """The text of a setting and its source. `text` is None without a value and a default."""

    text: str | None
    source: str  # "environment OSTIARY_...", "file /etc/...", "default"
    blame: str  # its name in messages: the variable, or the key and the file


def refuse_unknown(environ: Mapping[str, str]) -> None:
    """Refuse unknown OSTIARY_ variables. Unknown AUTHENTIK_ ones may be for blueprints. Raises UnknownSetting."""
    variables = {setting.variable for setting in TABLE} | {CONFIG_VARIABLE}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in variables:
            nearest = _nearest(name, variables)
            raise UnknownSetting(
                f"{name}: no such setting, the nearest is {nearest}"
                f" (a variable meant for !Env in a blueprint needs a name without {PREFIX})"
            )


def _nearest(name: str, names: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - only for a mistake

    return difflib.get_close_matches(name, names, n=1, cutoff=0)[0]


def find(setting: Setting, environ: Mapping[str, str], file: Mapping[str, str], file_name: str) -> RawValue:
    """Return the text of a setting; an empty one counts as not set. Raises InvalidSetting for a broken reference."""
    for variable in (setting.variable, setting.alias_variable):
        if variable is not None and environ.get(variable):
            text = _dereference(environ[variable], variable, environ)
            if text:
                return RawValue(text, f"environment {variable}", variable)
    if file.get(setting.name):
        blame = f"{setting.name} in {file_name}"
        text = _dereference(file[setting.name], blame, environ)
        if text:
            return RawValue(text, f"file {file_name}", blame)
    if not setting.default:
        return RawValue(setting.default, "default", setting.variable)
    return RawValue(_dereference(setting.default, setting.variable, environ), "default", setting.variable)


def _dereference(text: str, blame: str, environ: Mapping[str, str]) -> str:
    """Resolve env://NAME?default and file:///path?default; return any other text as it is."""
    scheme, mark, location = text.partition("://")
    if not mark or scheme not in {"env", "file"}:
        return text
    target, has_default, default = location.partition("?")
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
    """Return the settings of the configuration file by dotted name, and the name of the file.

    OSTIARY_CONFIG names the file and it must exist; else `default` is read if it is there.
    Raises InvalidSetting, UnknownSetting.
    """
    configured = environ.get(CONFIG_VARIABLE)
    path = Path(configured) if configured else default
    if path is None or (not configured and not path.exists()):
        return {}, ""
    import yaml  # noqa: PLC0415 - needed with a file only

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
            near = _nearest(name, NAMES)
            raise UnknownSetting(f"{name} in {path}: no such setting, the nearest is {near}")
        if isinstance(value, list):
            yield name, ",".join(str(item) for item in value)
        else:
            yield name, str(value)


def aliases_not_needed(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a note for authentik's settings that are accepted without effect."""
    if any(name.startswith(f"{ALIAS_PREFIX}REDIS__") for name in environ):
        yield f"{ALIAS_PREFIX}REDIS__* is set, and not needed: no Redis is used"
