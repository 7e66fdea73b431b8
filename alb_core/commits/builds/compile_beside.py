"""Imported by the staged ``setup.py`` of a commit: its files are compiled beside each other, and counted as they come.

Standard library and setuptools only: it runs in the environment that pip makes for the build.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

#: Environment variable: the compiler cache to compile through (alb_core/commits/builds/source.py).
CACHE = "ALB_COMPILER_CACHE"

_build_extensions = build_ext.build_extensions


def build_extensions(self: Any) -> None:
    """Build the extension modules, as setuptools does."""
    cache = os.environ.get(CACHE)
    for name in ("compiler_so", "compiler_so_cxx"):
        words = getattr(self.compiler, name, None)
        if cache and words and os.path.basename(words[0]) != os.path.basename(cache):  # noqa: PTH119
            setattr(self.compiler, name, [cache, *words])
    compile_beside(self.compiler)
    _build_extensions(self)


def compile_beside(compiler: Any) -> None:
    """Let a compiler of setuptools compile several files at once."""
    setup, options, one = compiler._setup_compile, compiler._get_cc_args, compiler._compile

    def compile_(
        sources: Any,
        output_dir: Any = None,
        macros: Any = None,
        include_dirs: Any = None,
        debug: Any = 0,
        extra_preargs: Any = None,
        extra_postargs: Any = None,
        depends: Any = None,
    ) -> Any:
        macros, objects, extra_postargs, pp_opts, build = setup(
            output_dir, macros, include_dirs, sources, depends, extra_postargs
        )
        arguments = options(pp_opts, debug, extra_preargs)
        lock, done = threading.Lock(), []

        def compile_one(name: str) -> None:
            source, extension = build[name]
            one(name, source, extension, arguments, extra_postargs, pp_opts)
            with lock:
                done.append(name)
                print(f"[{len(done)}/{len(build)}] {source}", flush=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                list(pool.map(compile_one, [name for name in objects if name in build]))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return objects

    compiler.compile = compile_


build_ext.build_extensions = build_extensions
