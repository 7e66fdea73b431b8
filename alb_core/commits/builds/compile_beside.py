"""Imported by the staged ``setup.py`` of a commit: its files are compiled beside each other, and counted as they come.

Standard library and setuptools only: it runs in the environment that pip makes for the build.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Environment variable: the compiler cache to compile through (alb_core/commits/builds/source.py).
CACHE = "ALB_COMPILER_CACHE"


def install() -> None:
    """Let setuptools compile several files at once."""
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    before = build_ext.build_extensions

    def build_extensions(self: Any) -> None:
        change(self.compiler, os.environ.get(CACHE))
        before(self)

    build_ext.build_extensions = build_extensions


def change(compiler: Any, cache: str | None) -> None:
    """Let a compiler of setuptools compile several files at once, through a compiler cache where there is one."""
    for name in ("compiler_so", "compiler_so_cxx"):
        words = getattr(compiler, name, None)
        if cache and words and words[0] != cache:
            setattr(compiler, name, [cache, *words])
    prepare, arguments_of, compile_one = compiler._setup_compile, compiler._get_cc_args, compiler._compile

    def compile_all(
        sources: Any,
        output_dir: Any = None,
        macros: Any = None,
        include_dirs: Any = None,
        debug: Any = 0,
        extra_preargs: Any = None,
        extra_postargs: Any = None,
        depends: Any = None,
    ) -> Any:
        include_dirs = steady(include_dirs or [])
        _, objects, after, options, build = prepare(output_dir, macros, include_dirs, sources, depends, extra_postargs)
        arguments = arguments_of(options, debug, extra_preargs)
        lock, done = threading.Lock(), []

        def compile_counted(name: str) -> None:
            source, suffix = build[name]
            compile_one(name, source, suffix, arguments, after, options)
            with lock:
                done.append(name)
                print(f"[{len(done)}/{len(build)}] {source}", flush=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                list(pool.map(compile_counted, [name for name in objects if name in build]))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return objects

    compiler.compile = compile_all


def steady(include_dirs: list[str]) -> list[str]:
    """Return directories by names that are the same in each build: a compiler cache goes by names, too."""
    found = []
    for number, path in enumerate(include_dirs):
        name = f".include-{number}"
        if "pip-build-env-" in path and not os.path.lexists(name):
            os.symlink(path, name)  # noqa: PTH211
        found.append(name if "pip-build-env-" in path else path)
    return found
