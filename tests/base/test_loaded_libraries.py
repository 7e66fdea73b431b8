import pytest

from alb_core.base import loaded_libraries
from alb_core.base.errors import AlbError

MAPS = """\
7f01-7f02 r-xp 00000000 08:01 11 {home}/tiledbsoma/pytiledbsoma.cpython-311-x86_64-linux-gnu.so
7f02-7f03 r-xp 00000000 08:01 12 {home}/tiledbsoma/libtiledbsoma.so (deleted)
7f03-7f04 r-xp 00000000 08:01 12 {home}/tiledb.libs/libtiledb-1234.so.2.30
7f04-7f05 rw-p 00000000 00:00 0
7f05-7f06 r-xp 00000000 08:01 13 {elsewhere}/lib/{name}
7f06-7f07 r--p 00000000 08:01 14 {elsewhere}/tiledbsoma/__init__.py
7f07-7f08 rw-p 00000000 00:00 0                          [heap]
"""


@pytest.mark.parametrize(
    ("name", "refused"),
    [("libtiledb.so.2.30", True), ("libtiledbsoma.so", True), ("libtiledb.dylib", True), ("libarrow.so.1700", False)],
)
def test_a_library_of_tiledb_from_elsewhere_is_refused(tmp_path, monkeypatch, name, refused):
    home, elsewhere = tmp_path / "site packages", tmp_path / "another one"
    home.mkdir()
    maps = tmp_path / "maps"
    maps.write_text(MAPS.format(home=home, elsewhere=elsewhere, name=name))
    monkeypatch.setattr(loaded_libraries, "_MAPS", maps)
    if refused:
        with pytest.raises(AlbError, match=f"has loaded {elsewhere}/lib/{name}, expected {home}/tiledbsoma/{name}"):
            loaded_libraries.require_inside(home)
    else:
        loaded_libraries.require_inside(home)
    assert len(loaded_libraries.loaded()) == 3 + refused
