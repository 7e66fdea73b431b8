"""The site opens without any network: what asv's page takes from elsewhere, the site serves itself.

asv's page names scripts and styles at public addresses, each with its hash. The same libraries are packages of the
npm registry. As a site is published, they are put beside the page, and the page is made to name them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.site import npm
from alb_core.site.npm import NpmPackage
from alb_core.site.site_directory import read_index

#: Directory of the scripts and styles within the site.
PLACE = "vendor"


@dataclass(frozen=True)
class Pin:
    """Where the registry has what asv's page takes from one address.

    ``same`` says that the file has the hash that the page gives. Where the registry has no file with that hash, the
    package's own vouches for it.
    """

    package: NpmPackage
    path: str
    same: bool = True


_JQUERY = NpmPackage(
    "jquery",
    "3.3.1",
    "sha512-Ubldcmxp5np52/ENotGxlLe6aGMvmF4R8S6tZjsP6Knsaxd/xp3Zrh50cG93lR6nPXyUFwzN3ZSOQI0wRJNdGg==",
    "LICENSE.txt",
)
_FLOT = NpmPackage(
    "flot",
    "0.8.3",
    "sha512-xg2otcTJDvS+ERK+my4wxG/ASq90QURXtoM4LhacCq0jQW2jbyjdttbRNqU2cPykrpMvJ6b2uSp6SAgYAzj9tQ==",
    "LICENSE.txt",
)
_ORDER_BARS = NpmPackage(
    "flot-orderbars",
    "1.0.0",
    "sha512-Jv51fvzevUjNXEeozpwEKfPjhiZhfiJddv0WHjduUTCmSF+7T5K7C9c9Y1wIVmUhDBv5fLMjgbwKecT0GIKPZA==",
)
_STUPID_TABLE = NpmPackage(
    "stupid-table-plugin",
    "1.1.3",
    "sha512-2Vk7XouQPxUQPRe9w0Fu7ZZ8kHLK7rDoLMsCgtKxRNJ7f4dSOGvW9CkHsq5wD6QsaEnWoyLBYH3xOEsrK3yWBg==",
    "LICENSE",
)
_MD5 = NpmPackage(
    "blueimp-md5",
    "2.19.0",
    "sha512-DRQrD6gJyy8FbiE4s+bDoXS9hiW3Vbx5uCdwvcCf3zLHL+Iv7LtGHLpr+GZV8rHG8tK766FGYBwRbu8pELTt+w==",
    "LICENSE.txt",
)
_BOOTSTRAP = NpmPackage(
    "bootstrap",
    "3.1.1",
    "sha512-TAzqS8E/ISpVHP29gYhy+1NSV+FJwApDVQhDfgLYsIuUDJiqJzH2DfORN5tiu+Ie2iBLrzEG34t4Rf465cigqg==",
    "LICENSE",
)

_FLOT_THERE = "https://cdnjs.cloudflare.com/ajax/libs/flot/0.8.3/"

#: What asv's page takes from elsewhere, by address. A new asv may name others: tests/site/test_scripts.py.
PINS = {
    "https://code.jquery.com/jquery-3.3.1.min.js": Pin(_JQUERY, "dist/jquery.min.js"),
    # The package has the sources, the page's address what was minified from them.
    f"{_FLOT_THERE}jquery.flot.min.js": Pin(_FLOT, "jquery.flot.js", same=False),
    f"{_FLOT_THERE}jquery.flot.time.min.js": Pin(_FLOT, "jquery.flot.time.js", same=False),
    f"{_FLOT_THERE}jquery.flot.selection.min.js": Pin(_FLOT, "jquery.flot.selection.js", same=False),
    f"{_FLOT_THERE}jquery.flot.categories.min.js": Pin(_FLOT, "jquery.flot.categories.js", same=False),
    "https://cdn.jsdelivr.net/npm/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": Pin(
        _ORDER_BARS, "js/jquery.flot.orderBars.js"
    ),
    # The page wants 1.0.1; of this one the registry has 1.1.3 alone.
    "https://cdnjs.cloudflare.com/ajax/libs/stupidtable/1.0.1/stupidtable.min.js": Pin(
        _STUPID_TABLE, "stupidtable.js", same=False
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/blueimp-md5/2.19.0/js/md5.min.js": Pin(_MD5, "js/md5.min.js"),
    "https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/js/bootstrap.min.js": Pin(
        _BOOTSTRAP, "dist/js/bootstrap.min.js"
    ),
    "https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/css/bootstrap.min.css": Pin(
        _BOOTSTRAP, "dist/css/bootstrap.min.css"
    ),
}


@dataclass(frozen=True)
class ExternalFile:
    """A script or style that a page takes from elsewhere: its tag as written, its address and hash (empty: none)."""

    tag: str
    address: str
    integrity: str


def references(page: str) -> list[ExternalFile]:
    """Return the scripts and styles that a page takes from elsewhere, in its order."""
    finder = _Finder()
    finder.feed(page)
    finder.close()
    return finder.found


def serve_own(site: Path, cache: Path, pins: Mapping[str, Pin]) -> None:
    """Put the scripts and styles of a site's page into the site, and make the page name them there."""
    index, page = read_index(site)
    files: dict[str, bytes] = {}
    for reference in references(page):
        pin = pins.get(reference.address)
        if pin is None:
            raise AlbError(f"no package is pinned for {reference.address}, which its page names")
        tarball = npm.fetch(pin.package, cache)
        content = npm.read(tarball, pin.path)
        if pin.same and not npm.has_integrity(content, reference.integrity):
            raise AlbError(
                f"{pin.path} of {pin.package.tarball} has not the hash {reference.integrity or '(none)'} "
                f"that the page gives for {reference.address}"
            )
        beside = f"{PLACE}/{pin.package.name}-{pin.package.version}"
        place = f"{beside}/{pin.path}"
        files[place] = content
        # Whoever hands the site on hands on copies of the libraries.
        if pin.package.licence:
            files[f"{beside}/{pin.package.licence}"] = npm.read(tarball, pin.package.licence)
        page = page.replace(reference.tag, _named_here(reference, place, content))
    for place, content in files.items():
        write_atomically(site / place, content)
    write_atomically(index, page.encode())


def _named_here(reference: ExternalFile, place: str, content: bytes) -> str:
    """Return a tag with the site's own address, and the hash of the bytes that stand there."""
    tag = reference.tag.replace(reference.address, place)
    if not reference.integrity or npm.has_integrity(content, reference.integrity):
        return tag
    return tag.replace(reference.integrity, npm.integrity_of(content))


class _Finder(HTMLParser):
    """Collects tags that load a script or a style from an address with a scheme or a host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[ExternalFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        loads = tag == "script" or (tag == "link" and "stylesheet" in values.get("rel", "").split())
        address = values.get("src" if tag == "script" else "href", "")
        if loads and ("://" in address or address.startswith("//")):
            self.found.append(ExternalFile(self.get_starttag_text() or "", address, values.get("integrity", "")))
