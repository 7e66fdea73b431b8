"""The workflows that maintainers copy: what they may do, what they call, and what is posted of a table."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from alb_core.base.paths import suite_root
from alb_core.cli.verdict import verdict
from alb_core.verdicts.verdict_text import HEADERS

PLACE = suite_root() / "docs" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(PLACE.glob("*.yml"))}
# YAML 1.1 takes the key `on` for a truth.
TRIGGERS = {name: content[True] for name, content in WORKFLOWS.items()}
#: What a job may do, and no other may.
RIGHTS = {
    ("verdict.yml", "measure"): {"contents": "read"},
    ("verdict-comment.yml", "comment"): {"actions": "read", "pull-requests": "write"},
    ("publish-site.yml", "build"): {"contents": "read"},
    ("publish-site.yml", "deploy"): {"pages": "write", "id-token": "write"},
}


def jobs():
    return [(name, job, content) for name, one in WORKFLOWS.items() for job, content in one["jobs"].items()]


def steps(name=None):
    return [step for file, _, job in jobs() if name in (None, file) for step in job["steps"]]


def test_jobs_may_do_what_they_must_and_end():
    assert {(name, job): content.get("permissions") for name, job, content in jobs()} == RIGHTS
    assert all(content["permissions"] == {} for content in WORKFLOWS.values())
    assert all(0 < content["timeout-minutes"] <= 180 for _, _, content in jobs())


def test_actions_are_pinned_to_commits_with_their_version():
    for path in PLACE.glob("*.yml"):
        for line in path.read_text().splitlines():
            if "uses:" in line:
                assert re.fullmatch(r"\s*-? ?uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_nothing_that_others_write_stands_in_a_program():
    for step in steps():
        program = step.get("run", "") + step.get("with", {}).get("script", "")
        assert "${{" not in program


def test_code_of_a_pull_request_runs_without_rights():
    assert TRIGGERS["verdict.yml"] == {"pull_request": {"types": ["labeled"]}}
    assert not any("secrets." in path.read_text() for path in PLACE.glob("*.yml"))
    for step in steps():
        if "/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_the_privileged_step_runs_no_code_of_a_pull_request():
    used = [step["uses"].split("@")[0] for step in steps("verdict-comment.yml")]
    assert used == ["actions/download-artifact", "actions/github-script"]
    assert TRIGGERS["verdict-comment.yml"]["workflow_run"]["workflows"] == [WORKFLOWS["verdict.yml"]["name"]]
    [upload] = [step["with"] for step in steps("verdict.yml") if "upload-artifact" in step.get("uses", "")]
    [download] = [step["with"] for step in steps("verdict-comment.yml") if "download" in step["uses"]]
    assert download["name"] == upload["name"] and Path(upload["path"]).name == "verdict.md"


def test_alb_is_called_as_it_can_be():
    [line] = [
        line.strip()
        for step in steps("verdict.yml")
        for line in step.get("run", "").splitlines()
        if "alb verdict" in line
    ]
    words = shlex.split(line.split(">")[0])[2:]
    context = verdict.make_context("verdict", [word.replace("$", "") for word in words])
    assert context.params["form"] == "markdown" and (context.params["base"], context.params["head"]) == ("base", "HEAD")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_programs_are_shell(name):
    for step in steps(name):
        if "run" in step:
            subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


# What the privileged step posts


RUN = {
    "head_sha": "a" * 40,
    "head_branch": "faster",
    "head_repository": {"owner": {"login": "someone"}},
    "html_url": "https://github.invalid/run/1",
}
HARNESS = """
const [script, state] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const calls = [];
const said = name => async options => { calls.push([name, options]); return {data: {}}; };
const github = {
    paginate: async (list, options) => list(options),
    rest: {
        pulls: {list: options => { calls.push(['list', options]); return state.pulls; }},
        issues: {
            listComments: () => state.comments, updateComment: said('update'), createComment: said('create'),
        },
    },
};
const context = {repo: {owner: 'o', repo: 'r'}, payload: {workflow_run: state.run}};
const core = {info: text => calls.push(['info', text])};
const program = Object.getPrototypeOf(async function() {}).constructor;
new program('github', 'context', 'core', 'require', script)(github, context, core, require)
    .then(() => console.log(JSON.stringify(calls)))
    .catch(error => { console.error(error.message); process.exit(1); });
"""
TABLE = (
    "### WORSE by work and time: HEAD (bbbbbbbb) against main (aaaaaaaa) on ci: 1 worse, 1 no change\n"
    "\n"
    f"| {' | '.join(HEADERS)} |\n|---|\n"
    "| `read_chunks.ReadChunks.time_epoch('table', 1024, 'none')` | +10.1 % | **worse** | > +999 % |\n"
    "\n"
    "<details>\n<summary>read: 1.0 M -> 1.1 M instructions</summary>\n\n| function |\n|---|\n| `f` |\n\n</details>\n"
    "\n"
    "- 20 pairs of earlier calls count\n"
)


@pytest.fixture
def post(tmp_path):
    """Run the step's program over an artifact; returns its calls, or what it says as it fails."""
    if shutil.which("node") is None:
        pytest.skip("no node, under which the step's program runs")
    [script] = [step["with"]["script"] for step in steps("verdict-comment.yml") if "script" in step["with"]]

    def post(content, pulls=({"number": 7, "head": {"sha": RUN["head_sha"]}},), comments=()):
        path = tmp_path / "verdict.md"
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        state = {"run": RUN, "pulls": list(pulls), "comments": list(comments)}
        done = subprocess.run(
            ["node", "-e", HARNESS],
            input=json.dumps([script, state]),
            env={"VERDICT": str(path), "PATH": str(Path(shutil.which("node")).parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()

    return post


def test_a_table_is_posted_as_it_is(post):
    listed, (name, options) = post(TABLE)
    assert listed == ["list", {"owner": "o", "repo": "r", "state": "open", "head": "someone:faster"}]
    assert (name, options["issue_number"]) == ("create", 7)
    mark, *lines = options["body"].split("\n")
    assert mark == "<!-- benchmark verdict -->"
    assert "\n".join(lines[:-2]) == TABLE.rstrip()
    assert lines[-1] == f"Measured by [this run]({RUN['html_url']}) on {'a' * 40}, with the code of this pull request."


def test_the_one_comment_is_updated_and_nobody_elses(post):
    theirs = {"id": 1, "user": {"login": "someone"}, "body": "<!-- benchmark verdict -->"}
    other = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "tests pass"}
    own = {"id": 3, "user": {"login": "github-actions[bot]"}, "body": "<!-- benchmark verdict -->\nold"}
    _, (name, options) = post(TABLE, comments=[theirs, other, own])
    assert (name, options["comment_id"]) == ("update", 3)
    assert "WORSE" in options["body"] and "old" not in options["body"]


@pytest.mark.parametrize("pulls", [[], [{"number": 7, "head": {"sha": "b" * 40}}]])
def test_a_pull_request_that_is_closed_or_went_on_has_no_comment(post, pulls):
    _, (name, said) = post(TABLE, pulls=pulls)
    assert (name, said) == ("info", f"no open pull request has the head {'a' * 40}")


@pytest.mark.parametrize(
    ("line", "posted"),
    [
        ("- @everyone look", "- @&#8203;everyone look"),
        ("- fixes #1 and GH-2", "- fixes #&#8203;1 and GH&#8203;-2"),
        ("- <img src=x>", "- &lt;img src=x>"),
        ("- ![a](https://a.b)", "- &#33;&#91;a&#93;(https:&#8203;//a.b)"),
        ("- www.a.b", "- www&#8203;.a.b"),
        ("- &lt;", "- &amp;lt;"),
    ],
)
def test_what_could_do_more_than_be_read_is_disarmed(post, line, posted):
    _, (_, options) = post(f"{TABLE}{line}\n")
    assert options["body"].split("\n")[-3] == posted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no file of 1 to 60000 bytes"),
        (TABLE + "- more\n" * 10_000, "no file of 1 to 60000 bytes"),
        ("approved\n" + TABLE, "does not begin with the line for the whole"),
        (TABLE + "# LGTM\n", "neither of a table nor of a list"),
        (TABLE + "<summary>x</summary>\n", "neither of a table nor of a list"),
        (TABLE + "</details>\n", "neither of a table nor of a list"),
        (TABLE + "<details>\n<details>\n", "neither of a table nor of a list"),
        (TABLE + "<details>\n<summary>all is well</summary>\n", "folded table without an end"),
        (TABLE + "- \u202egnp.exe\n", "characters that do not show"),
        (TABLE + "- \x1b[2J\n", "characters that do not show"),
        (TABLE.encode() + b"- \xff\n", "not valid"),
        (Path("/etc/passwd"), "no file of 1 to 60000 bytes"),
    ],
)
def test_what_is_no_table_is_not_posted(post, content, said):
    assert said in post(content)


def test_the_summary_of_a_folded_table_is_disarmed_too(post):
    _, (_, options) = post(TABLE.replace("instructions</summary>", "<b>@x</b></summary>"))
    assert "<summary>read: 1.0 M -> 1.1 M &lt;b>@&#8203;x&lt;/b></summary>" in options["body"]
