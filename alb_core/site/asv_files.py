"""What asv writes into a site, mended: links that work, and a list without blank rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from alb_core.base.files import write_atomically

_HASH = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(r'https?://[^"<>&\s]+')


def name_tags(site: Path, tags: Mapping[str, str]) -> None:
    """Let the feed of regressions link to tags: a release's commit in our history is none of the public repository."""
    names = {commit: tag for tag, commit in tags.items()}

    def named(address: re.Match[str]) -> str:
        return _HASH.sub(lambda found: names.get(found[0], found[0]), address[0])

    path = site / "regressions.xml"
    write_atomically(path, _ADDRESS.sub(named, path.read_text(encoding="utf-8")).encode())


def drop_blank_rows(site: Path) -> None:
    """Leave out of asv's list what has no figure: its grid of parameters has more combinations than are drawn.

    Where nothing is drawn, asv's page asks for a list that asv has not written.
    """
    if not (site / "graphs").is_dir():
        write_atomically(site / "graphs" / "summary.json", b"[]")
    for path in site.glob("graphs/**/summary.json"):
        rows = json.loads(path.read_text(encoding="utf-8"))
        kept = [row for row in rows if row["last_value"] is not None]
        write_atomically(path, json.dumps(kept, separators=(",", ":")).encode())
