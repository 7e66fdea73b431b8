import ast
from types import SimpleNamespace

import pytest

from alb_core.base.processes import Program
from alb_core.commits.builds import build_progress, compile_beside, staged_tree
from alb_core.commits.builds.source import BuildError, complaint


def test_tests_are_left_out_and_nothing_else():
    cmake = "add_subdirectory(src)\nif(TESTING)\n  enable_testing()\n  add_subdirectory(test)\nendif()\n"
    assert staged_tree.without_tests(cmake) == cmake.replace("add_subdirectory(test)", "# add_subdirectory(test)")
    script = 'cmake --build build -j 2\nX="${X}" cmake --build build/lib --target build_tests -j 2\n'
    assert staged_tree.without_test_target(script) == script.replace('X="', '# X="')


@pytest.mark.parametrize("call", ["setuptools.setup(", "if True:\n    setup("])
def test_a_setup_script_is_changed_right_before_it_calls_setup(call):
    script = f'"""Words."""\nfrom __future__ import annotations\nimport setuptools\nx = 1\n{call}name="x")\n'
    changed = staged_tree.compiled_beside(script)
    ast.parse(changed)
    assert changed.partition("import os")[0] == script.partition(call)[0] and changed.endswith(f'{call}name="x")\n')
    assert staged_tree.compiled_beside("x = 1\n") == "x = 1\n"


def test_files_are_compiled_at_once_through_the_cache_and_counted(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compile_beside.os, "cpu_count", lambda: 2)
    started, compiled, searched = [], [], []

    def one(name, source, suffix, arguments, after, options):
        # Each waits for the other: one after the other would never end.
        started.append(name)
        while len(started) < 2:
            pass
        compiled.append((name, source, suffix, arguments, after, options))

    build = {"a.o": ("a.cc", ".cc"), "b.o": ("b.cc", ".cc")}
    compiler = SimpleNamespace(
        compiler_so=["c++", "-O2"],
        _setup_compile=lambda *given: (
            searched.extend(given[2]) or (None, ["old.o", "a.o", "b.o"], ["-after"], ["-I"], build)
        ),
        _get_cc_args=lambda options, debug, before: [*options, "-c"],
        _compile=one,
    )
    compile_beside.change(compiler, "/bin/ccache")
    brought = tmp_path / "pip-build-env-x1y2" / "include"
    assert compiler.compile(["a.cc", "b.cc"], include_dirs=["own", str(brought)]) == ["old.o", "a.o", "b.o"]
    # The cache goes by names, and pip's are new each time.
    assert searched == ["own", ".include-1"] and (tmp_path / ".include-1").readlink() == brought
    assert sorted(compiled)[0] == ("a.o", "a.cc", ".cc", ["-I", "-c"], ["-after"], ["-I"]) and len(compiled) == 2
    assert compiler.compiler_so == ["/bin/ccache", "c++", "-O2"] and "[2/2]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("log", "said", "of_code"),
    [
        (
            "a.o: in function `f':\na.cc:3: undefined reference to `g'\ncollect2: error: ld returned 1 exit status",
            1,
            True,
        ),
        ("[ 1%] x\nsrc/a.cc:3:5: error: expected ';'\nmake: *** Error: 2", 1, True),
        ("CMake Error at a (message):\nno TileDB", "CMake Error at a (message): no TileDB", False),
        ("c++: fatal error: Killed signal terminated program cc1plus", 0, False),
        ("a.cc:1:1: fatal error: error writing to x: No space left on device", 0, False),
        ("ERROR: Could not find a version that satisfies the requirement tool", 0, False),
    ],
)
def test_the_line_that_says_most_and_whether_the_code_is_to_blame(log, said, of_code):
    expected = log.splitlines()[said] if isinstance(said, int) else said
    assert complaint(log) == expected and BuildError(expected).of_code is of_code


def test_how_far_it_is_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_progress, "SAY_EVERY", 0)
    monkeypatch.setattr(build_progress, "LOOK_EVERY", 0.05)
    path = tmp_path / "build.log"
    said = "echo ' [ 12%] Building src/a.cc.o'; sleep 0.3; echo '[3/4] src/b.cc'; sleep 0.3"
    with path.open("wb") as output, Program(["bash", "-c", said], stdout=output) as program:
        assert build_progress.follow(program, path, "building c0ffee", iter(range(1000)).__next__) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("alb: building c0ffee, 0:0")
    assert lines[-1].endswith("75 % of this step, b.cc") and any("12 % of this step, a.cc.o" in line for line in lines)
