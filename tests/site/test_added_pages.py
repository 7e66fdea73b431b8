"""The pages in asv's own page."""

from pathlib import Path

import asv
import pytest

from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE
from alb_core.site import added_pages

TEMPLATE = Path(asv.__file__).parent / "www" / "index.html"


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr("alb_core.figures.render.scripts", lambda: "draw")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_bytes(TEMPLATE.read_bytes())
    return tmp_path / "site"


def test_pages_are_added_once(site, monkeypatch):
    added_pages.add(site)
    page = (site / "index.html").read_text()
    for name, label in added_pages.PAGES.items():
        assert page.count(f'<li id="nav-li-{name}"><a href="#/{name}">{label}</a></li>') == 1
        assert page.count(f'id="alb-{name}-display"') == 1
        assert page.count(f'src="alb/{name}.js"') == 1 and (site / "alb" / f"{name}.js").exists()
    # asv's script, on which they build, comes before theirs.
    assert page.index('src="asv.js"') > 0 and page.index('src="jquery.flot.axislabels.js"') > 0
    assert (site / "alb" / "vega.js").read_text() == "(function() {\ndraw\n})();\n"
    added_pages.add(site)
    assert (site / "index.html").read_text() == page
    # What draws is put together once.
    monkeypatch.setattr("alb_core.figures.render.scripts", lambda: pytest.fail("again"))
    (site / "index.html").write_bytes(TEMPLATE.read_bytes())
    added_pages.add(site)
    assert (site / "index.html").read_text() == page


def test_another_page_than_asvs_is_left_alone(site):
    page = (site / "index.html").read_text().replace('<a href="#/regressions">', '<a href="#/other">')
    (site / "index.html").write_text(page)
    with pytest.raises(AlbError, match="has no place for the pages of this suite: expected one <li"):
        added_pages.add(site)
    assert (site / "index.html").read_text() == page and not (site / "alb").exists()
    (site / "index.html").unlink()
    with pytest.raises(AlbError, match="cannot read"):
        added_pages.add(site)
