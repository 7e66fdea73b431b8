"""The table of a comparison."""

from __future__ import annotations

from outcomes import outcome

from alb_core.peers.compare.table import COLUMNS, lines


def test_the_limit_first_then_the_fastest_then_who_was_not_measured() -> None:
    found = lines(
        [
            outcome("raw_tables", "16 MiB", (5000, 6000), quality=None),
            outcome("raw_tables", "default", (3000, 3000), quality=None),
            outcome("slow", "default", (500, 660)),
            outcome("ours", "best", (4000, 6000)),
            outcome("annbatch", "default", state="n/a", reason="not installed"),
            outcome("broken", "best", state="wrong", reason="1 of 5 rows lost"),
        ]
    )
    words = [" ".join(line.split()) for line in found]
    assert words[0] == " ".join(" ".join(COLUMNS).split())
    assert [line.split()[0] for line in found] == [
        "loader",
        "raw_tables",
        "raw_tables",
        "ours",
        "slow",
        "annbatch",
        "broken",
    ]
    assert found[-2:] == ["annbatch  default  n/a: not installed", "broken  best  wrong: 1 of 5 rows lost"]
    assert len({len(line) for line in found[:5]}) == 1, "each figure stands right under its head"
    assert words[1] == "raw_tables 16 MiB (best) 1.2 5,500 5,000-6,000 n/a n/a 2.00 GiB n/a n/a 1.00"
    assert words[3] == "ours best 1.2 5,000 4,000-6,000 3,625 2.00 s 2.00 GiB 67 % 98.0 % 0.90"
    assert words[4].endswith("8 % 98.0 % 0.11")


def test_without_a_limit_there_is_no_ratio() -> None:
    dead = outcome("raw_tables", state="failed", reason="died with signal 9 (SIGKILL)")
    _, line, reason = lines([outcome(), dead])
    assert line.endswith("n/a")
    assert reason == "raw_tables  best  failed: died with signal 9 (SIGKILL)"
