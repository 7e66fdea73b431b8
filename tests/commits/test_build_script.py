import pytest

from alb_core.base.errors import AlbError
from alb_core.commits.history.build_script import extras, read

SETUP = b"""
import sys
FLAGS = ["-O2"]
setuptools.setup(
    name="tiledbsoma",
    classifiers=["A"],
    ext_modules=[Extension("x", ["a.cc"], extra_compile_args=FLAGS)],
    install_requires=["numpy", "somacore==1.0.8"] + ["scipy"],  # a comment
    extras_require={"dev": open("dev.txt").read(), "all": open("dev.txt").read() + open("io.txt").read(), "x": ["y"]},
    python_requires=">=3.9",
)
"""
FILES = {"dev.txt": "black\npytest  # tests\n# none\n\n-r other.txt\n", "io.txt": "dask\n"}


def test_requirements_are_read_and_nothing_runs():
    found = read(SETUP + b"raise SystemExit('ran')\n", None)
    assert found.requires == ("numpy", "somacore==1.0.8", "scipy") and found.python == ">=3.9"


def test_extras_are_read_from_files_beside():
    assert extras(SETUP, None, FILES.__getitem__) == {
        "dev": ["black", "pytest"],
        "all": ["black", "pytest", "dask"],
        "x": ["y"],
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'classifiers=["A"]', b'classifiers=["B"]'),
        (b"# a comment", b"# another"),
        (b"somacore==1.0.8", b"somacore==1.0.9"),
        (b">=3.9", b">=3.10"),
    ],
)
def test_what_describes_the_package_is_not_native(old, new):
    assert read(SETUP.replace(old, new), None).native == read(SETUP, None).native


@pytest.mark.parametrize(
    ("old", "new"), [(b"-O2", b"-O3"), (b'"a.cc"', b'"a.cc", "b.cc"'), (b"import sys", b"import os")]
)
def test_what_decides_the_libraries_is_native(old, new):
    assert read(SETUP.replace(old, new), None).native != read(SETUP, None).native


def test_pyproject_alone():
    text = b'[project]\ndependencies = ["numpy"]\nrequires-python = ">=3.9"\noptional-dependencies = {dev = ["x"]}\n'
    assert read(None, text).requires == ("numpy",) and read(None, text).python == ">=3.9"
    assert extras(None, text, FILES.__getitem__) == {"dev": ["x"]}


def test_bounds_of_build_tools_and_linters_are_not_native():
    one, two = (f'[build-system]\nrequires = ["cmake{bound}"]\n'.encode() for bound in (">=3.21", ">=3.21,<4"))
    assert read(None, one).native == read(None, two + b"[tool.ruff]\nfix = true\n").native
    assert read(None, one).native != read(None, one + b"[tool.setuptools]\nzip-safe = false\n").native


@pytest.mark.parametrize(
    ("setup", "pyproject", "said"),
    [
        (b"setup(", None, "setup.py cannot be parsed"),
        (None, b"[build", "pyproject.toml cannot be parsed"),
        (b"setup(install_requires=needs())", None, "line 1 of setup.py is no literal requirement: needs()"),
        (b'setup(install_requires=open("r.txt").read())', None, "reads its requirements from r.txt"),
    ],
)
def test_what_cannot_be_read_is_named(setup, pyproject, said):
    with pytest.raises(AlbError) as told:
        read(setup, pyproject)
    assert said in str(told.value)
