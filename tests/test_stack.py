"""The stack (design rule 2): whole, exact, and under a name that changes with it."""

import hashlib

from asv.util import load_json
from packaging.requirements import Requirement

from alb_core.base.paths import suite_root

#: Name in asv.conf.json -> sha256 of the pins. A change of constraints.txt needs a new name here and there.
STACKS = {
    "2026.11": "7acdb381e1588cab3526e36f25b402cb8ee57889c93bd2136a0d1447a0a212cb",
    # Adds tiledbsoma-ml and scdataset, which benchmarks/peers.py measures; nothing else imports them.
    "2026.12": "bf278cc6d5f1f04179b5ebef6072efdd7219c843e326440d13132bc98962b6c0",
}


def pins():
    lines = (suite_root() / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_pin_is_exact_and_what_the_commits_pin_is_not_among_them():
    for line in pins():
        [specifier] = Requirement(line).specifier
        assert specifier.operator == "==" and "*" not in specifier.version, line
    names = {Requirement(line).name for line in pins()}
    assert not names & {"tiledbsoma", "somacore", "tiledb"}


def test_its_name_changes_with_it():
    conf = load_json(str(suite_root() / "asv.conf.json"), js_comments=True)
    [name] = conf["matrix"]["env"]["ALB_STACK"]
    assert hashlib.sha256("\n".join(pins()).encode()).hexdigest() == STACKS[name]
