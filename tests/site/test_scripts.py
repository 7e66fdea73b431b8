from pathlib import Path

import asv
import pytest
from local_registry import LocalRegistry

from alb_core.asv_plugin import publishers
from alb_core.base.errors import AlbError
from alb_core.base.paths import scripts_root
from alb_core.site import npm, scripts
from alb_core.site.scripts import PINS, Pin, references, serve_own

TEMPLATE = Path(asv.__file__).parent / "www"
SAME, OTHER, STYLE = b"same()\n", b"other(2)\n", b"p {}\n"
THERE = "https://there.invalid/"
PAGE = f"""<!doctype html>
<head>
  <!-- <script src="{THERE}old.js"></script> -->
  <script src="{THERE}same.min.js" integrity="{npm.integrity_of(SAME, "sha256")}" onerror="failed()"></script>
  <script src='{THERE}other.min.js' integrity='{npm.integrity_of(b"other(1)", "sha384")}'></script>
  <script src="own.js"></script><script>if (1 < 2) go("https://there.invalid/");</script>
  <link rel="stylesheet" href="{THERE}style.css">
  <link rel="alternate" href="{THERE}feed.xml"/>
</head>
<body><a href="{THERE}">there</a>é</body>
"""


class Place:
    """A site, a cache, and a registry that has what its page takes."""

    def __init__(self, root):
        self.registry = LocalRegistry()
        self.site, self.cache = root / "html", root / "cache"
        self.site.mkdir()
        (self.site / "index.html").write_text(PAGE, encoding="utf-8")
        self.one = self.registry.add("one", "1.0.0", {"dist/same.js": SAME, "style.css": STYLE, "MIT": b"ours"}, "MIT")
        self.two = self.registry.add("two", "2.0.0", {"other.js": OTHER})
        self.pins = {
            f"{THERE}same.min.js": Pin(self.one, "dist/same.js"),
            f"{THERE}other.min.js": Pin(self.two, "other.js", same=False),
            f"{THERE}style.css": Pin(self.one, "style.css", same=False),
        }

    def serve(self):
        serve_own(self.site, self.cache, self.pins)

    def files(self):
        return {str(path.relative_to(self.site)): path.read_bytes() for path in self.site.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path, monkeypatch):
    made = Place(tmp_path)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", made.registry.url)
    yield made
    made.registry.close()


def test_an_address_without_a_scheme_is_elsewhere_too():
    [found] = references('<SCRIPT SRC="//there.invalid/a.js"></SCRIPT>')
    assert found.address == "//there.invalid/a.js"


def test_the_site_serves_what_its_page_takes(place):
    place.serve()
    expected = (
        PAGE.replace(f'src="{THERE}same.min.js"', 'src="vendor/one-1.0.0/dist/same.js"')
        .replace(f"src='{THERE}other.min.js'", "src='vendor/two-2.0.0/other.js'")
        .replace(npm.integrity_of(b"other(1)", "sha384"), npm.integrity_of(OTHER))
        .replace(f'href="{THERE}style.css"', 'href="vendor/one-1.0.0/style.css"')
    )
    assert place.files() == {
        "index.html": expected.encode(),
        "vendor/one-1.0.0/dist/same.js": SAME,
        "vendor/one-1.0.0/style.css": STYLE,
        "vendor/one-1.0.0/MIT": b"ours",
        "vendor/two-2.0.0/other.js": OTHER,
    }


def test_a_second_site_needs_no_registry(place):
    place.serve()
    first = place.files()
    place.registry.close()
    (place.site / "index.html").write_text(PAGE, encoding="utf-8")
    place.serve()
    assert place.files() == first and len(place.registry.requests) == 2


def closed(place):
    place.registry.close()


def another_hash(place):
    page = PAGE.replace(npm.integrity_of(SAME, "sha256"), npm.integrity_of(b"same(0)", "sha256"))
    (place.site / "index.html").write_text(page, encoding="utf-8")


def not_pinned(place):
    place.pins.pop(f"{THERE}style.css")


def no_page(place):
    (place.site / "index.html").unlink()


def no_directory(place):
    (place.site / "vendor").write_text("mine")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (closed, "check the network"),
        (another_hash, "dist/same.js of one-1.0.0.tgz has not the hash"),
        (not_pinned, "no package is pinned for https://there.invalid/style.css"),
        (no_page, "cannot read"),
        (no_directory, "cannot make the directory"),
    ],
)
def test_a_site_that_cannot_have_them_is_as_it_was_and_says_so(place, monkeypatch, capsys, fault, said):
    fault(place)
    before = place.files()
    with pytest.raises(AlbError, match=said):
        place.serve()
    assert place.files() == before

    # As asv calls it: one line, and the command goes on.
    monkeypatch.setattr(scripts, "PINS", place.pins)
    monkeypatch.setattr(publishers, "scripts_root", lambda: place.cache)

    class Conf:
        html_dir = str(place.site)

    publishers.LocalScripts.publish(Conf, None, None, None, None)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("alb: the site needs a network to open: ") and said in line
    assert place.files() == before


def test_asvs_page_takes_what_is_pinned_and_nothing_else():
    found = references((TEMPLATE / "index.html").read_text())
    assert [reference.address for reference in found if reference.address not in PINS] == []
    assert {reference.address for reference in found} == set(PINS)
    assert all(reference.integrity for reference in found)


def test_the_registry_has_what_is_pinned(tmp_path):
    (tmp_path / "index.html").write_bytes((TEMPLATE / "index.html").read_bytes())
    try:
        serve_own(tmp_path, scripts_root(), PINS)
    except AlbError as error:
        if "check the network" in str(error):
            pytest.skip(str(error))
        raise
    found = references((TEMPLATE / "index.html").read_text())
    for reference in found:
        pin = PINS[reference.address]
        content = (tmp_path / "vendor" / f"{pin.package.name}-{pin.package.version}" / pin.path).read_bytes()
        # One that is not the same is said to be so, and no other.
        assert npm.has_integrity(content, reference.integrity) == pin.same
    assert references((tmp_path / "index.html").read_text()) == []
