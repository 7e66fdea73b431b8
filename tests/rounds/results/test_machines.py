import json
import resource

import pytest
from asv.machine import MachineCollection

from alb_core.base.errors import AlbError
from alb_core.rounds.results import machines


@pytest.fixture
def home(tmp_path, monkeypatch):
    """asv's file of machines, none yet."""
    path = tmp_path / "asv-machine.json"
    monkeypatch.setattr(MachineCollection, "get_machine_file_path", staticmethod(lambda: str(path)))
    return path


@pytest.fixture
def other(monkeypatch):
    """Make this computer another one, with 32 CPUs."""
    here = machines.this_computer()

    def become():
        monkeypatch.setattr(machines, "this_computer", lambda: {**here, "num_cpu": "32", "cpu": "Other"})

    return become


def committed(results, name, home=None):
    """What asv does when it has measured: keep the machine beside its results, and in the user's file."""
    if home:
        home.write_text(json.dumps({**(json.loads(home.read_text()) if home.exists() else {"version": 1}), name: {}}))
    path = results / name / "machine.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"machine": name, **machines.this_computer(), "version": 1}))
    return path


def test_the_first_use_registers_and_asks_nothing(tmp_path, home, capsys):
    assert machines.settle(tmp_path / "results", "lab-2") == "lab-2"
    entry = json.loads(home.read_text())["lab-2"]
    assert entry == {"machine": "lab-2", **machines.this_computer()}
    assert "this computer is now machine lab-2" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    before = home.read_bytes()
    machines.settle(tmp_path / "results", "lab-2")
    assert capsys.readouterr().err == "" and home.read_bytes() == before


def test_a_full_disk_keeps_both_files_and_an_empty_one_counts_as_none(tmp_path, home):
    home.write_text("")
    assert machines.registered(tmp_path, "lab") is None
    beside = committed(tmp_path, "lab")
    machines.claim(tmp_path, "lab")
    before = home.read_bytes(), beside.read_bytes()
    assert json.loads(before[0])["lab"] and before[1] == before[1].rstrip()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        for name in ("lab", "new"):
            with pytest.raises(AlbError, match="File too large"):
                machines.claim(tmp_path, name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (home.read_bytes(), beside.read_bytes()) == before


@pytest.mark.parametrize("kept", ["results", "home"])
def test_another_computer_is_refused_and_nothing_changes(tmp_path, home, other, kept):
    if kept == "results":
        committed(tmp_path, "g4dn", home)
    else:
        machines.settle(tmp_path, "g4dn")
    before = home.read_bytes() if home.exists() else None
    assert machines.own_name(tmp_path) == "g4dn"
    other()
    assert machines.own_name(tmp_path) is None
    with pytest.raises(
        AlbError, match=r"(?s)^machine g4dn is another computer .*32.*--machine.*alb machines claim g4dn`$"
    ):
        machines.settle(tmp_path, "g4dn")
    assert (home.read_bytes() if home.exists() else None) == before


def test_results_of_a_computer_of_the_same_kind_are_not_added_to(tmp_path, home):
    path = committed(tmp_path, "ref2")
    assert machines.own_name(tmp_path) is None
    with pytest.raises(AlbError, match=r"^machine ref2 has results, .*alb machines claim ref2`$"):
        machines.settle(tmp_path, "ref2")
    assert not home.exists()
    machines.claim(tmp_path, "ref2")
    assert machines.settle(tmp_path, "ref2") == machines.own_name(tmp_path) == "ref2"
    assert json.loads(path.read_text())["machine"] == "ref2"


def test_its_owner_may_say_so(tmp_path, home, other):
    path = committed(tmp_path, "g4dn")
    other()
    machines.claim(tmp_path, "g4dn")
    assert machines.settle(tmp_path, "g4dn") == "g4dn"
    assert json.loads(path.read_text())["num_cpu"] == "32"


def test_updates_of_the_system_keep_the_machine(tmp_path, home):
    path = committed(tmp_path, "g4dn", home)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "os": "Linux 9.9", "ram": str(int(int(content["ram"]) * 0.99))}))
    assert machines.settle(tmp_path, "g4dn") == "g4dn"


@pytest.mark.parametrize(("field", "value"), [("arch", "vax"), ("cpu", "Z80"), ("num_cpu", "1000"), ("ram", "1024")])
def test_each_piece_of_hardware_counts(field, value):
    here = machines.this_computer()
    [difference] = machines.differences({**here, field: value}, here)
    assert difference.startswith(f"{field} {value}, here ")


def test_a_known_name_on_other_hardware_is_warned_about(tmp_path, home, capsys):
    hardware = {"arch": "x86_64", "num_cpu": "2", "ram": str(24 * 2**30), "cpu": ""}
    assert machines.unlike_known("g4dn", hardware) == ["2 CPUs", "24 GiB"]
    assert machines.unlike_known("m3", hardware) == ["architecture x86_64"]
    assert machines.unlike_known("mine", hardware) == []
    true = {"arch": "x86_64", "num_cpu": "32", "ram": str(int(124.4 * 2**30)), "cpu": ""}
    assert machines.unlike_known("g4dn", true) == []
    machines.settle(tmp_path, "m3")
    warned = "m3 usually means Apple M3" in capsys.readouterr().err
    assert warned == bool(machines.unlike_known("m3", machines.this_computer()))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a\nb"])
def test_names_that_are_no_names(tmp_path, home, name):
    with pytest.raises(AlbError, match="no machine name"):
        machines.check_name(name)
    assert not home.exists()


def test_a_damaged_file_is_named(tmp_path, home):
    home.write_text("{")
    with pytest.raises(AlbError, match="asv-machine"):
        machines.settle(tmp_path, "g4dn")
    assert home.read_text() == "{"


def test_without_a_name_asv_and_we_choose_alike(tmp_path, home):
    own = machines.default_name()
    machines.settle(tmp_path, "g4dn")
    assert machines.default_name() == "g4dn"
    machines.settle(tmp_path, "m3")
    assert machines.default_name() == own


def test_the_name_that_this_computer_has(tmp_path, home):
    results = tmp_path / "results"
    assert machines.own_name(results) is None
    assert not home.exists() and not results.exists(), "asking registers nothing"
    machines.settle(results, "lab-2")
    assert machines.own_name(results) == "lab-2", "the only one that asv knows here"
    committed(results, "rack", home)
    assert machines.own_name(results) == "rack", "results are under that name"
