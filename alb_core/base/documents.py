"""JSON documents: read into a dataclass by its type hints, or refused in one line; written whole or not at all.

Standard library only: the benchmark environment, which reads manifests and certificates, has no library for it.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically

T = TypeVar("T")


class DamagedDocumentError(AlbError):
    """A file that does not hold the document that it should."""

    def __init__(self, message: str, reason: str, content: Any) -> None:
        super().__init__(message)
        #: What is wrong, without the file's name.
        self.reason = reason
        #: What the file holds; None where that is no JSON.
        self.content = content


@dataclass(frozen=True)
class Format(Generic[T]):
    """How documents of one kind stand in their files."""

    #: What a document is read into: a dataclass, or a mapping.
    kind: type[T]
    #: Its name in messages, as in "is no manifest".
    name: str
    #: The field that holds the version, and the version that can be read; None where documents have none.
    version: tuple[str, int] | None = None
    #: What a user can do about a damaged file.
    remedy: str = "restore it or move it away"
    #: Whether fields that the dataclass does not have are passed over.
    allow_unknown: bool = False
    #: As json.dumps takes it.
    indent: int | None = 1

    def read(self, path: Path) -> T | None:
        """Read a document; None where there is no file."""
        content: Any = None
        try:
            content = json.loads(path.read_bytes())
            return self.parse(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise self.damaged(path, str(error), content) from error

    def find(self, path: Path) -> T | None:
        """Read a document; None also where it is damaged, because it can be made again."""
        with suppress(DamagedDocumentError):
            return self.read(path)
        return None

    def write(self, path: Path, document: T) -> None:
        """Write a document with its version."""
        content: Any = document
        if is_dataclass(content) and not isinstance(content, type):
            content = asdict(content)
        if self.version is not None:
            content = {self.version[0]: self.version[1], **content}
        write_atomically(path, (json.dumps(content, indent=self.indent) + "\n").encode())

    def damaged(self, path: Path, reason: str, content: Any = None) -> DamagedDocumentError:
        """Build the error that refuses a file."""
        return DamagedDocumentError(f"{path} is no {self.name} ({reason}): {self.remedy}", reason, content)

    def parse(self, content: Any) -> T:
        """Convert decoded JSON to the document; ValueError says what is wrong."""
        if not isinstance(content, dict):
            raise ValueError("it has no fields")
        content = dict(content)
        if self.version is not None:
            name, expected = self.version
            found = content.pop(name, None)
            if found != expected:
                raise ValueError(f"{name} is {found!r}, expected {expected}")
        document: T = self._converted(content, self.kind, "")
        return document

    def _converted(self, value: Any, kind: Any, place: str) -> Any:
        """Convert a value at a place in the document to what a type hint says."""
        origin, inner = get_origin(kind), get_args(kind)
        if kind is Any or type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        if origin is UnionType:
            for each in inner:
                with suppress(ValueError):
                    return self._converted(value, each, place)
        elif origin in (list, tuple, Sequence) and isinstance(value, list):
            items = [self._converted(item, inner[0], f"{place}[{index}]") for index, item in enumerate(value)]
            return tuple(items) if origin is tuple else items
        elif origin in (dict, Mapping) and isinstance(value, dict):
            return {key: self._converted(item, inner[1], f"{place}.{key}".strip(".")) for key, item in value.items()}
        elif is_dataclass(kind) and isinstance(value, dict):
            return self._built(value, kind, place)
        raise ValueError(f"{place} is {reprlib.repr(value)}, expected {getattr(kind, '__name__', kind)}")

    def _built(self, value: dict[str, Any], kind: Any, place: str) -> Any:
        """Make a dataclass of the fields of a JSON object."""
        hints = get_type_hints(kind)
        required = {field.name for field in fields(kind) if field.default is field.default_factory is MISSING}
        missing, unknown = required - set(value), set(value) - set(hints)
        if missing:
            raise ValueError(f"{place or 'it'} lacks {', '.join(sorted(missing))}")
        if unknown and not self.allow_unknown:
            raise ValueError(f"{place or 'it'} has the unknown fields {', '.join(sorted(unknown))}")
        known = [(name, hint) for name, hint in hints.items() if name in value]
        return kind(**{name: self._converted(value[name], hint, f"{place}.{name}".strip(".")) for name, hint in known})
