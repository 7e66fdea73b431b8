"""Libraries that a wheel takes along; compiled for real."""

import subprocess
import sys
import zipfile

import pytest
import toy
from wheels import wheel_of

from alb_core.base.errors import AlbError
from alb_core.commits.builds import local_tiledb, native_files

pytestmark = [toy.needs_compiler, pytest.mark.skipif(sys.platform != "linux", reason="ELF")]


def linked(root, name, code, *others):
    """A library of C++ code in a directory, which looks for others where these lie."""
    root.mkdir(parents=True, exist_ok=True)
    words = [word for other in others for word in (str(other), f"-Wl,-rpath,{other.parent}")]
    command = ["c++", "-shared", "-fPIC", f"-Wl,-soname,{name}.2", "-x", "c++", "-", "-x", "none", *words]
    subprocess.run([*command, "-o", str(root / name)], input=f'extern "C" {{ {code} }}', text=True, check=True)
    return root / name


def test_what_is_needed_is_taken_along_and_found_beside(tmp_path, monkeypatch):
    prefix = tmp_path / "prefix"
    part = linked(prefix / "lib", "libpart.so", "int part() { return 1; }")
    (prefix / "lib" / "libpart.so.2").symlink_to("libpart.so")
    tiledb = linked(prefix / "lib", "libtiledb.so", "int part(); int tiledb() { return part(); }", part)
    monkeypatch.setenv("TILEDB_PATH", str(prefix))
    given = local_tiledb.given()
    assert sorted(given.libraries) == ["libpart.so.2", "libtiledb.so.2"]
    own = linked(tmp_path, "libtiledbsoma.so", "int tiledb(); int soma() { return tiledb(); }", tiledb)
    wheel = tmp_path / "tiledbsoma-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel_of("tiledbsoma", "1.0"))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.write(own, "tiledbsoma/libtiledbsoma.so")

    with pytest.raises(AlbError, match=r"libtiledbsoma\.so of .* needs libtiledb\.so\.2, which neither"):
        native_files.take_along(wheel, {})
    native_files.take_along(wheel, given.libraries)
    prefix.rename(tmp_path / "away")
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
        assert "tiledbsoma/libpart.so.2" in archive.read("tiledbsoma-1.0.dist-info/RECORD").decode()
    program = f"import ctypes; print(ctypes.CDLL({str(place / 'tiledbsoma' / own.name)!r}).soma())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "1\n"
