"""asv.conf.json: asv ignores a key that it does not know, so a misspelt one must fail here."""

import re

import pytest
from asv.config import Config
from asv.util import load_json

from alb_core.base.paths import suite_root

#: Read by asv elsewhere than in Config's own attributes.
ELSEWHERE = {"version", "build_cache_size"}


@pytest.fixture(scope="module")
def conf():
    return load_json(str(suite_root() / "asv.conf.json"), js_comments=True)


def unknown(keys):
    return set(keys) - set(vars(Config())) - ELSEWHERE


def test_asv_knows_every_key(conf):
    assert unknown(conf) == set()


def test_a_misspelt_key_would_be_found():
    assert unknown(["html_dir", "results_dri"]) == {"results_dri"}


def test_the_matrix_has_asvs_kinds_only(conf):
    assert set(conf["matrix"]) <= {"req", "env", "env_nobuild"}


def test_the_measuring_device_is_pinned(conf):
    project = (suite_root() / "pyproject.toml").read_text()
    assert '"asv==0.6.6"' in project
    [runner] = conf["matrix"]["req"]["pip+asv_runner"]
    assert f'"asv_runner=={runner}"' in project
    assert conf["launch_method"] in {"spawn", "forkserver"}


def test_it_says_what_the_suite_promises(conf):
    assert conf["project"] == "tiledbsoma" and conf["branches"] == ["main"] and conf["pythons"] == ["3.11"]
    assert (conf["repo"], conf["results_dir"], conf["html_dir"]) == ("data/tiledb-soma", "data/results", "html")
    assert re.match(r"https://.+/TileDB-SOMA/commit/$", conf["show_commit_url"])
