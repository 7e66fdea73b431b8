"""Versioned JSON documents: read as they were written, or refused in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alb_core.base.documents import DamagedDocumentError, Format


@dataclass(frozen=True)
class Part:
    count: int
    of: int = 1

    def __post_init__(self) -> None:
        if self.count > self.of:
            raise ValueError(f"{self.count} of {self.of}")


@dataclass(frozen=True)
class Example:
    name: str
    share: float
    total: int | float
    note: str | None
    parts: tuple[Part, ...]
    by_name: Mapping[str, Part] = field(default_factory=dict)
    numbers: Sequence[float] = ()
    anything: Any = None


FORMAT = Format(Example, "example", ("version", 2), "make it again")
WHOLE = '"name": "a", "share": 1, "total": 2, "note": null, "parts": []'


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = Example("a", 0.5, 2.5, None, (Part(1), Part(2, 3)), {"x": Part(0)}, [1.5], {"free": [1]})
    FORMAT.write(tmp_path / "e.json", one)
    assert FORMAT.read(tmp_path / "e.json") == FORMAT.find(tmp_path / "e.json") == one
    assert (tmp_path / "e.json").read_text().startswith('{\n "version": 2,\n "name": "a"')
    assert FORMAT.read(tmp_path / "none.json") is FORMAT.find(tmp_path / "none.json") is None


def test_whole_numbers_are_floats_where_floats_are_due_and_defaults_fill_in(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(f'{{"version": 2, {WHOLE}}}')
    found = FORMAT.read(tmp_path / "e.json")
    assert found == Example("a", 1.0, 2, None, ())
    assert (type(found.share), type(found.total)) == (float, int)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "it has no fields"),
        (f"{{{WHOLE}}}", "version is None, expected 2"),
        (f'{{"version": 3, {WHOLE}}}', "version is 3, expected 2"),
        ('{"version": 2, "name": "a", "share": 1}', "it lacks note, parts, total"),
        (f'{{"version": 2, {WHOLE}, "more": 1}}', "it has the unknown fields more"),
        (f'{{"version": 2, {WHOLE}, "by_name": []}}', r"by_name is \[\], expected .*Mapping"),
        (f'{{"version": 2, {WHOLE}, "by_name": {{"x": {{"count": true}}}}}}', "by_name.x.count is True, expected int"),
        (f'{{"version": 2, {WHOLE}, "numbers": [1, "2"]}}', r"numbers\[1\] is '2', expected float"),
        (f'{{"version": 2, {WHOLE}, "note": 1}}', "note is 1, expected str | None"),
        (f'{{"version": 2, {WHOLE}, "by_name": {{"x": {{"count": 2}}}}}}', "2 of 1"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(DamagedDocumentError, match=rf"e\.json is no example \(.*{reason}.*\): make it again$") as told:
        FORMAT.read(path)
    assert "\n" not in str(told.value)
    assert FORMAT.find(path) is None and path.read_text() == text


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedDocumentError, match="Is a directory"):
        FORMAT.read(tmp_path)


def test_unknown_fields_are_passed_over_where_that_is_said_and_mappings_take_any(tmp_path: Path) -> None:
    FORMAT.write(tmp_path / "e.json", Example("a", 1.0, 2, None, ()))
    assert Format(Part, "part", allow_unknown=True).find(tmp_path / "e.json") is None
    (tmp_path / "e.json").write_text('{"count": 0, "more": 1}')
    assert Format(Part, "part", allow_unknown=True).read(tmp_path / "e.json") == Part(0)
    assert Format(dict[str, Any], "object").read(tmp_path / "e.json") == {"count": 0, "more": 1}
