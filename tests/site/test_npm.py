import os

import pytest
from local_registry import LocalRegistry

from alb_core.base.errors import AlbError
from alb_core.site import npm

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def registry(monkeypatch):
    served = LocalRegistry()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", served.url)
    yield served
    served.close()


@pytest.fixture
def package(registry):
    return registry.add("table", "1.2.3", {"table.js": CONTENT, "LICENSE": b"mine"})


@pytest.fixture
def unconfigured(monkeypatch, tmp_path):
    """No variable, no npm, no file."""
    for name in list(os.environ):
        if name.lower().startswith("npm_config_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    return tmp_path


def kept(cache):
    """What a later command could take for a package."""
    return [path.name for path in cache.glob("*") if not path.name.endswith(".lock")] if cache.exists() else []


def test_a_package_is_fetched_once_and_then_works_without_the_registry(registry, package, tmp_path):
    path = npm.fetch(package, tmp_path)
    assert npm.read(path, "table.js") == CONTENT
    registry.close()
    assert npm.fetch(package, tmp_path) == path
    assert registry.requests == ["/npm/table/-/table-1.2.3.tgz"]


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content + b"x", lambda content: b""])
def test_a_damaged_package_in_the_cache_is_fetched_again(registry, package, tmp_path, damage, capsys):
    path = npm.fetch(package, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert npm.fetch(package, tmp_path).read_bytes() == whole
    assert f"{path} has not the pinned hash" in capsys.readouterr().err


def absent(registry, package):
    registry.tarballs.clear()


def another_page(registry, package):
    registry.tarballs[registry.path_of(package)] = b"<html>please log in</html>"


def cut_short(registry, package):
    registry.cut = True


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (absent, r"/npm/table/-/table-1\.2\.3\.tgz \(404 Not Found\): check the network"),
        (another_page, "has the hash sha512-.*, expected sha512-"),
        (cut_short, r"cannot get .*table-1\.2\.3\.tgz"),
    ],
)
def test_what_the_registry_does_not_give_is_refused_and_not_kept(registry, package, tmp_path, monkeypatch, fault, said):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", registry.url.replace("//", "//me:secret@"))
    fault(registry, package)
    with pytest.raises(AlbError, match=said) as caught:
        npm.fetch(package, tmp_path)
    assert kept(tmp_path) == [] and "secret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_a_package_that_cannot_be_read_or_lacks_a_file(package, tmp_path):
    with pytest.raises(AlbError, match=r"table-1\.2\.3\.tgz has no file other\.js"):
        npm.read(npm.fetch(package, tmp_path), "other.js")
    (tmp_path / "a.tgz").write_bytes(b"no")
    with pytest.raises(AlbError, match="cannot read"):
        npm.read(tmp_path / "a.tgz", "a.js")


@pytest.mark.parametrize(
    ("integrity", "expected"),
    [
        ("sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", True),
        ("sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCR=", False),
        ("md5-XUFAKrxLKna5cZ2REBfFkg==", False),
        ("sha512-", False),
        ("", False),
    ],
)
def test_a_hash_as_browsers_write_it(integrity, expected):
    assert npm.has_integrity(b"hello", integrity) is expected


SAYS = """#!/bin/sh
echo "npm warn of something" >&2
[ "$*" = "config get registry" ] && echo https://npm.invalid/
"""
FILE = "; mine\n@scope:registry=https://scope.invalid\nfund=false\n"


@pytest.mark.parametrize(
    ("variables", "program", "line", "expected"),
    [
        ({"npm_config_registry": "https://variable.invalid/npm/"}, SAYS, "", "https://variable.invalid/npm"),
        ({"NPM_CONFIG_REGISTRY": "https://variable.invalid/npm/"}, SAYS, "", "https://variable.invalid/npm"),
        ({}, SAYS, "registry=https://file.invalid/", "https://npm.invalid"),
        ({}, "#!/bin/sh\nexit 1\n", "registry=https://file.invalid/", "https://file.invalid"),
        ({}, None, "registry=https://file.invalid/", "https://file.invalid"),
        ({"WHERE": "file"}, None, ' registry = "https://${WHERE}.invalid"', "https://file.invalid"),
    ],
)
def test_the_registry_is_that_of_a_variable_of_npm_or_of_its_file(
    unconfigured, monkeypatch, variables, program, line, expected
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (unconfigured / ".npmrc").write_text(f"{FILE}{line}\n")
    if program:
        (unconfigured / "bin" / "npm").write_text(program)
        (unconfigured / "bin" / "npm").chmod(0o755)
    assert npm.registry() == expected


def test_no_registry_is_assumed(unconfigured, monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "_COMPUTERS_FILE", tmp_path / "none")
    with pytest.raises(AlbError, match=r"no npm registry is configured.*npm_config_registry"):
        npm.registry()
    for value in ("mine", "ftp://mine.invalid", "https://", "https://[mine"):
        monkeypatch.setenv("npm_config_registry", value)
        with pytest.raises(AlbError, match="expected an address"):
            npm.registry()
