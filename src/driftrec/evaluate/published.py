"""Published figures of other methods with their sources, read from published.json."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Published:
    """One method's figures: `values[metric][corruption]`, named as in measured records."""

    method: str
    source: str
    url: str
    values: dict[str, dict[str, float]]


@cache
def published(name: str) -> tuple[Published, ...]:
    """The rows of one set of published figures, in the order of the file; none for an unknown set."""
    content = json.loads((resources.files("driftrec.evaluate") / "published.json").read_text(encoding="utf-8"))
    return tuple(
        Published(row["method"], **_source(content["sources"][row["source"]]), values=row["values"])
        for row in content["sets"].get(name, ())
    )


def _source(entry: dict[str, str]) -> dict[str, str]:
    return {"source": entry["text"], "url": entry["url"]}
