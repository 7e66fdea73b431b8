"""Reads from S3: what fails is tried again, for a while."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tiledbsoma import DoesNotExistError

from alb_core.base.errors import AlbError

T = TypeVar("T")

#: Parts of TileDB's messages that help no reader: classes, addresses and HTTP headers.
_NOISE = re.compile(
    r"\[Headers: .*?\](?= :|$)|\[(Remote IP|Request ID|Error Type): [^\]]*\] ?|\[TileDB::\w+\] |Caught std::exception: "
)
_LENGTH = 400
#: Answers that stay the same at the next attempt: elsewhere, forbidden, not there.
_FINAL = re.compile(r"Response Code: (301|403|404)|not a SOMA")


def in_one_line(error: BaseException) -> str:
    """What an error says, in one line of bounded length."""
    words = " ".join(_NOISE.sub("", " ".join(str(error).split())).split())
    return words if len(words) <= _LENGTH else f"{words[:_LENGTH]} ..."


@dataclass(frozen=True)
class Retry:
    """How often to try, and when."""

    #: Seconds before each further attempt.
    pauses: Sequence[float] = (1, 4, 15)

    def read(self, attempt: Callable[[], T], uri: str) -> T:
        """Return what ``attempt`` returns; try again what fails from a URI that is not on this machine.

        TileDB itself repeats single requests; this is for faults that last longer. What is forbidden or missing is not
        tried again.
        """
        remote = "://" in uri and not uri.startswith("file://")
        for pause in (*self.pauses, None) if remote else (None,):
            try:
                return attempt()
            except (AlbError, KeyError):
                raise
            # TileDB's own errors have no common class.
            except Exception as error:
                said = in_one_line(error)
                if pause is None or isinstance(error, DoesNotExistError) or _FINAL.search(str(error)):
                    raise AlbError(f"cannot read {uri}: {said}{_advice(said)}") from error
                print(f"alb: reading {uri} failed, again in {pause} s: {said}", file=sys.stderr, flush=True)
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _advice(said: str) -> str:
    """Say what may help, as a part of the message."""
    if "Response Code: 403" in said:
        return (
            " (requests are unsigned, as the public Census takes them; for a bucket of your own --tiledb "
            "vfs.s3.no_sign_request=false signs them with the credentials of the environment, as AWS_ACCESS_KEY_ID)"
        )
    if "Response Code: 301" in said:
        return " (the bucket is in another region: -r REGION)"
    return ""
