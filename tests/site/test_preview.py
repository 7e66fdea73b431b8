"""What `asv preview` serves, and to whom."""

import http.server
import threading
import urllib.error
import urllib.request
from argparse import Namespace

import pytest
from asv.commands import preview
from asv.config import Config

from alb_core.asv_plugin import commands
from alb_core.site.preview import VARIABLE, server


def test_asv_previews_with_this_server(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setattr(preview, "create_httpd", None)
    arguments = Namespace(html_dir=str(tmp_path), port=0)
    commands._previewing(Config(), arguments, lambda: None)
    assert preview.create_httpd is server


@pytest.mark.parametrize(("asked", "address"), [(None, "127.0.0.1"), ("0.0.0.0", "0.0.0.0")])
def test_a_site_is_for_this_computer_alone_unless_asked_and_links_out_of_it_are_not_followed(
    tmp_path, monkeypatch, asked, address
):
    (tmp_path / "secret").write_text("mine")
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("page")
    (site / "link").symlink_to(tmp_path / "secret")
    (site / "inside").symlink_to("index.html")
    monkeypatch.chdir(site)
    if asked:
        monkeypatch.setenv(VARIABLE, asked)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    httpd, url = server(http.server.SimpleHTTPRequestHandler, 0)
    with httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        assert httpd.server_address[0] == address and url == f"http://{address}:{httpd.server_port}/"
        for name in ("", "inside"):
            assert urllib.request.urlopen(url + name).read() == b"page"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url + "link")
        httpd.shutdown()
