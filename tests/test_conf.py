"""asv.conf.json: asv ignores a key that it does not know, so a misspelt one must fail here."""

import pytest
from asv.config import Config
from asv.util import load_json

from alb_core.base.paths import suite_root

#: Read by asv elsewhere than in Config's own attributes.
ELSEWHERE = {"version", "build_cache_size"}


@pytest.fixture(scope="module")
def conf():
    return load_json(str(suite_root() / "asv.conf.json"), js_comments=True)


def test_asv_knows_every_key(conf):
    assert set(conf) - set(vars(Config())) - ELSEWHERE == set()


def test_the_measuring_device_is_pinned(conf):
    project = (suite_root() / "pyproject.toml").read_text()
    assert '"asv==0.6.6"' in project
    [runner] = conf["matrix"]["req"]["pip+asv_runner"]
    assert f'"asv_runner=={runner}"' in project
    assert conf["launch_method"] in {"spawn", "forkserver"}
