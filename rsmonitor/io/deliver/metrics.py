"""Metrics as a text file, which Prometheus reads through its textfile collector."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rsmonitor.errors import ContractError

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One gauge, with a value for each set of labels."""

    name: str
    """Its name, with the unit at its end."""

    says: str
    """What it tells, on one line."""

    samples: tuple[tuple[Mapping[str, str], float], ...] = field(default=())
    """Labels and value."""

    def __post_init__(self) -> None:
        names = (self.name, *(key for labels, _ in self.samples for key in labels))
        for name in names:
            if not _NAME.fullmatch(name):
                raise ContractError(
                    f"a metric or label is named by {_NAME.pattern}, got {name!r}"
                )


def write_metrics(metrics: Iterable[Metric]) -> bytes:
    r"""
    Write metrics in the text format of Prometheus, version 0.0.4.

    Parameters
    ----------
    metrics : iterable of Metric
        Gauges; one without a sample is left out.

    Returns
    -------
    bytes
        UTF-8; in the order given.

    Examples
    --------
    >>> free = Metric(name="free_bytes", says="Room.", samples=(({"at": 'a"b'}, 5.0),))
    >>> print(write_metrics([free]).decode(), end="")
    # HELP free_bytes Room.
    # TYPE free_bytes gauge
    free_bytes{at="a\"b"} 5.0
    """
    lines = []
    for metric in metrics:
        if not metric.samples:
            continue
        says = metric.says.replace("\\", r"\\").replace("\n", " ")
        lines += [f"# HELP {metric.name} {says}", f"# TYPE {metric.name} gauge"]
        for labels, value in metric.samples:
            inside = ",".join(f'{key}="{_escaped(labels[key])}"' for key in labels)
            shown = f"{{{inside}}}" if inside else ""
            lines.append(f"{metric.name}{shown} {_number(value)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _escaped(text: str) -> str:
    """Write the value of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    """Write a value."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
