"""What users import is light, and commands answer before anything slow is imported.

The walls between the rooms are import-linter's; these imports are of functions, and no matter of the modules alone.
"""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("imported", "slow"),
    [
        ("from alb_core import AlbError", ("numpy", "pyarrow", "torch", "tiledbsoma", "click")),
        ("import alb_core.loader", ("torch", "tiledbsoma")),
        ("from alb_core.loader import BlockSpec, parse, parse_one", ("torch", "tiledbsoma")),
        ("import alb_core.cli.main", ("torch", "tiledbsoma", "scipy", "pypi_simple", "altair", "vl_convert")),
        # It starts the loaders, each in an environment that has what it needs.
        ("import alb_core.peers.compare.session, alb_core.peers.compare.table", ("torch", "tiledbsoma", "scipy")),
        # It runs in environments that have the loader, and not what this package needs.
        ("import alb_core.peers.child, alb_core.peers.counting", ("tiledbsoma", "pyarrow", "scipy", "click", "altair")),
    ],
)
def test_an_import_brings_nothing_slow(imported, slow):
    program = f"import sys; {imported}; print({{name.partition('.')[0] for name in sys.modules}} & set({slow}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_users_import_is_where_they_are_told():
    from alb_core import loader
    from alb_core.loader import Batch, BlockSpec, SomaLoader, codes, parse, parse_one, split

    assert SomaLoader.__module__ == "alb_core.loader.dataset" and len(split([1, 2], 0.5)) == 2
    assert codes.__module__ == "alb_core.loader.training.codes"
    assert parse("8x64") == [parse_one("8x64")] == [BlockSpec(64, 8)] and Batch is not None
    with pytest.raises(AttributeError, match="has no attribute 'Loader'"):
        _ = loader.Loader
