"""The alerts as an object of the Prometheus operator, from the file of rules that Prometheus reads itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SOURCE: Final = Path("deploy/prometheus/ostiary.rules.yaml")
COMPONENT: Final = Path("deploy/kustomize/components/prometheus-rules/prometheus-rules.yaml")
_HEAD: Final = f"""\
# Written by "make docs" from {SOURCE}.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ostiary
  labels:
    app: ostiary
spec:
"""


def component(root: Path) -> str:
    """Return the text of the component. The rules stay as they are, two columns to the right."""
    _, begin, rules = (root / SOURCE).read_text(encoding="utf-8").partition("groups:\n")
    return _HEAD + "".join(f"  {line}" for line in (begin + rules).splitlines(keepends=True))
