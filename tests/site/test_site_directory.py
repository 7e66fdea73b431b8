"""A site takes its place when it is whole, and nothing that is not asv's is ever removed."""

import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import asv
import pytest

from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE
from alb_core.site.site_directory import require_site, staged


class Conf:
    def __init__(self, html):
        self.html_dir = str(html)


@pytest.fixture
def html(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "place" / "html"


def publish(html, content, args=None):
    conf, args = Conf(html), args or Namespace(html_dir=None)
    with staged(conf, args):
        assert conf.html_dir == args.html_dir != str(html)
        stage = Path(conf.html_dir)
        stage.mkdir(parents=True)
        (stage / "asv.js").write_text(content)
        if content == "fault":
            raise AlbError("no more")
    return conf, args


def test_a_site_takes_its_place_and_that_of_the_one_before(html):
    for content in ("first", "second"):
        conf, args = publish(html, content)
        assert (conf.html_dir, args.html_dir) == (str(html), None)
        assert (html / "asv.js").read_text() == content
    # One that cannot be made leaves the one before.
    with pytest.raises(AlbError, match="no more"):
        publish(html, "fault")
    assert (html / "asv.js").read_text() == "second"
    assert [path.name for path in html.parent.iterdir()] == ["html"]


def test_the_command_line_names_the_place_before_the_configuration(html):
    other = html.with_name("other")
    publish(html, "first", Namespace(html_dir=str(other)))
    assert (other / "asv.js").exists() and not html.exists()
    # A link stays a link.
    html.symlink_to(other)
    publish(html, "second")
    assert html.is_symlink() and (other / "asv.js").read_text() == "second"


@pytest.mark.parametrize("moment", ["before", "between"])
def test_whoever_is_killed_leaves_a_site_that_is_whole(html, moment):
    """Killed while it is made, or when the old one has left and the new one has not come."""
    publish(html, "first")
    program = f"""
import os, signal
from pathlib import Path
from argparse import Namespace
from alb_core.site import site_directory
class Conf: html_dir = {str(html)!r}
rename = Path.rename
def dying(self, target):
    rename(self, target)
    if {moment == "between"}:
        os.kill(os.getpid(), signal.SIGKILL)
Path.rename = dying
conf = Conf()
with site_directory.staged(conf, Namespace(html_dir=None)):
    Path(conf.html_dir).mkdir()
    (Path(conf.html_dir) / "asv.js").write_text("second")
    if {moment == "before"}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(html.parent.iterdir())) == 2
    with pytest.raises(AlbError):
        publish(html, "fault")
    assert (html / "asv.js").read_text() == "first"
    publish(html, "third")
    assert (html / "asv.js").read_text() == "third"
    assert [path.name for path in html.parent.iterdir()] == ["html"]


def test_what_asv_publishes_is_a_site(html):
    require_site(html)
    html.mkdir(parents=True)
    require_site(html)
    for path in (Path(asv.__file__).parent / "www").iterdir():
        (html / path.name).write_text("")
    for name in ("graphs", "index.json", "alb", "vendor", ".DS_Store"):
        (html / name).write_text("")
    require_site(html)


@pytest.mark.parametrize("names", [["notes"], ["asv.js", ".git"], ["graphs"], ["a", "b", "c", "d", "e", "f"]])
def test_what_is_not_is_refused_by_name(html, names):
    html.parent.mkdir(parents=True)
    html.write_text("mine")
    with pytest.raises(AlbError, match="is no directory that can be read"):
        require_site(html)
    html.unlink()
    html.mkdir()
    for name in names:
        (html / name).write_text("mine")
    with pytest.raises(AlbError, match="is no site of asv's") as refused:
        require_site(html)
    foreign = [name for name in names if name != "asv.js"]
    assert ", ".join(foreign[:5]) in str(refused.value)
    assert str(refused.value).count("and 1 more") == (len(names) > 5)
