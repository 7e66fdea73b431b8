"""asv's environment and repository as this suite needs them.

asv finds both classes by the names in asv.conf.json (``environment_type``, ``dvcs``), once this module is imported.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.console import log
from asv.plugins.git import Git
from asv.plugins.virtualenv import Virtualenv
from asv.repo import NoSuchNameError, Repo
from asv.util import ProcessError

from alb_core.base import die_with_parent
from alb_core.base.environments import copy_linked
from alb_core.base.errors import AlbError
from alb_core.base.processes import run
from alb_core.base.pythons import executable, pythons
from alb_core.commits.builds import local_packages
from alb_core.commits.builds.install import has_given_tiledb, install_stack, is_whole, make
from alb_core.commits.history import git


class StackEnvironment(Virtualenv):  # type: ignore[misc]
    """A virtual environment with the stack and the user's checkouts; what runs in it ends with this process."""

    #: asv looks the class up by this name.
    tool_name = "stack"

    def __init__(self, conf: Config, python: str, requirements: dict[str, str], tagged: dict[Any, str]) -> None:
        # An environment's own name and directory, and the names of its results files, begin with this one.
        self.tool_name = Virtualenv.tool_name
        self._created = False
        self._failures: dict[str, ProcessError] = {}
        super().__init__(conf, python, requirements, tagged)
        for one in pythons():
            if str(one) == python:
                # One that runs: asv takes the first of that name on PATH.
                self._executable: str = executable(one) or self._executable

    @property
    def path(self) -> Path:
        """Directory of the environment, absolute."""
        return Path(self._path)

    def check_presence(self) -> bool:
        """Whether it is there and whole: what was cut off, while it was made or later, is made anew."""
        return is_whole(self.path) and bool(super().check_presence())

    def create(self) -> None:
        """Make the environment, and install the stack, where that is not done."""
        if self._created:
            return
        try:
            super().create()
        except ProcessError as error:
            raise AlbError(
                f"cannot make the benchmark environment {self.name}: {error}; its output is above. "
                "Check the network and pip's index-url, then repeat the command"
            ) from error
        install_stack(self.path)
        local_packages.refresh(self.path)
        self._created = True

    def create_from(self, other: StackEnvironment) -> None:
        """Make the environment, where it is not made, with links to the files of another one's packages."""
        if not self.check_presence():
            shutil.rmtree(self.path, ignore_errors=True)
            copy_linked(other.path, self.path)
        self.create()

    def forget_commit(self) -> None:
        """Let the next installation write all files of its commit, even of the one that is installed."""
        self._set_installed_commit_hash(None)

    def build(self, commit: str) -> None:
        """Build a commit where it is not built."""
        make(commit, self.path)

    def install_project(self, conf: Config, repo: Repo, commit_hash: str) -> None:
        """Build a commit where it is not built, and install it where it is not installed."""
        if commit_hash in self._failures:
            # asv asks again in each round.
            raise self._failures[commit_hash]
        if self.installed_commit_hash != commit_hash:
            # asv keeps to itself what a command says, and a build may take half an hour: it is made before, in sight.
            try:
                self.build(commit_hash)
            except AlbError as error:
                log.error(f"alb: {error}")
                failure = ProcessError(["alb", "build", "wheel", commit_hash], 1, "", f"alb: {error}")
                self._failures[commit_hash] = failure
                raise failure from error
        super().install_project(conf, repo, commit_hash)

    def _get_installed_commit_hash(self) -> str | None:
        # asv goes by the commit alone; compiled with another TileDB it is another build.
        found: str | None = super()._get_installed_commit_hash()
        return found if found is None or has_given_tiledb(self.path) else None

    def hold(self, commit: str) -> None:
        """Take note of what was installed by another way than asv's."""
        self._set_installed_commit_hash(commit)
        self._set_commit_hash(commit)

    def run(self, args: list[str], **options: Any) -> Any:
        """Run a script by the environment's Python; it ends with this process, however that ends."""
        return super().run(die_with_parent.script(args), **options)

    def _setup(self) -> None:
        # It takes a while, and `asv run` would be silent meanwhile.
        with log.set_level(logging.INFO):
            log.info(f"Creating virtualenv for {self.name}")
            words = ["virtualenv", "--setuptools=bundle", "-p", self._executable, self._path]
            run([sys.executable, "-m", *words], "cannot make an environment")
            log.info(f"Installing requirements for {self.name}")
            self._install_requirements()

    def _run_pip(self, args: list[str], **options: Any) -> Any:
        words = [self.find_executable("python"), "-m", "pip", *args]
        return self.run_executable("python", die_with_parent.program(words)[1:], **options)


class GitObjects(Git):  # type: ignore[misc]
    """The history; builds read git's objects, as a working tree of each commit would cost seconds."""

    dvcs = "git-objects"

    def _run_git(self, args: list[str], cwd: Any = True, **options: Any) -> Any:
        """Run git as the suite does everywhere (:func:`alb_core.commits.history.git.options`)."""
        given = git.variables(args[0], options.pop("env", os.environ))
        return super()._run_git([*git.options(Path(self._path), args), *args], cwd=cwd, env=given, **options)

    def get_hash_from_name(self, name: str | None) -> str:
        """Return the one commit that a name stands for."""
        found = git.tip(Path(self._path), name or self.get_branch_name())
        if found is None:
            raise NoSuchNameError(name)
        return found

    def checkout(self, path: str, commit_hash: str) -> None:
        """Make the directory in which asv runs the build command, and nothing in it."""
        Path(path).mkdir(parents=True, exist_ok=True)
