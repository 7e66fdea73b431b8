"""The stack (design rule 2): whole, exact, and under a name that changes with it."""

import hashlib

from asv.util import load_json
from packaging.requirements import Requirement

from alb_core.base.paths import suite_root
from alb_core.base.pythons import pythons

#: Name in asv.conf.json, and Python -> sha256 of its pins. A change of constraints.txt needs a new name here and there,
#: unless it changes what a further Python has alone.
STACKS = {
    ("2026.11", "3.11"): "7acdb381e1588cab3526e36f25b402cb8ee57889c93bd2136a0d1447a0a212cb",
    # Adds tiledbsoma-ml and scdataset, which benchmarks/peers.py measures; nothing else imports them.
    ("2026.12", "3.11"): "bf278cc6d5f1f04179b5ebef6072efdd7219c843e326440d13132bc98962b6c0",
    ("2026.12", "3.12"): "bf278cc6d5f1f04179b5ebef6072efdd7219c843e326440d13132bc98962b6c0",
    ("2026.12", "3.13"): "7393d16a69e6676c8b91f38d35a346512bdbc0144c685dc31e3636aa6388c840",
}


def pins(python=None):
    """Lines of constraints.txt; those that hold for a Python alone, without the condition."""
    lines = (suite_root() / "constraints.txt").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    if python is None:
        return lines
    found = [(line.partition(";")[0], Requirement(line).marker) for line in lines]
    return [line for line, marker in found if marker is None or marker.evaluate({"python_version": python})]


def test_every_pin_is_exact_and_what_the_commits_pin_is_not_among_them():
    for line in pins():
        [specifier] = Requirement(line).specifier
        assert specifier.operator == "==" and "*" not in specifier.version, line
    names = {Requirement(line).name for line in pins()}
    assert not names & {"tiledbsoma", "somacore", "tiledb"}


def test_its_name_changes_with_it():
    conf = load_json(str(suite_root() / "asv.conf.json"), js_comments=True)
    [name] = conf["matrix"]["env"]["ALB_STACK"]
    for python in conf["pythons"]:
        assert hashlib.sha256("\n".join(pins(python)).encode()).hexdigest() == STACKS[name, python], python


def test_every_python_has_one_version_of_each():
    names = sorted({Requirement(line).name for line in pins()})
    for python in pythons():
        assert sorted(Requirement(line).name for line in pins(str(python))) == names, python
