"""Errors that a user can act on."""


class AlbError(Exception):
    """Bad input, or a fault at an edge (file, index, git, process), told in one line.

    The message names the value, what was expected and what to do. Commands print it on stderr without a
    traceback and exit with its status, 2; the cause stays chained for whoever debugs.
    """

    exit_status = 2


class ArgumentError(AlbError):
    """What a caller gave is wrong, whatever the data are."""


class NotFoundError(AlbError):
    """There is no experiment, or nothing of that name in it."""


class ReadError(AlbError):
    """What is there cannot be read, now or at all."""


class DamagedDataError(AlbError):
    """A dataset is not what was written."""


class WrongResultError(AlbError):
    """What was read is not what the data holds: the input was good, and there is nothing to be recorded."""

    exit_status = 1


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing. Libraries below break theirs over several."""
    return " ".join(str(error).split()) or type(error).__name__
