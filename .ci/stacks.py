"""Which stacks there are, and which of them a change concerns.

    python3 .ci/stacks.py all             stacks=["dev", "prod"]
    python3 .ci/stacks.py rings           rings={"dev": ["dev"], "staging": [], "prod": ["prod"]}
    python3 .ci/stacks.py changed BASE    stacks=["dev"], made of other files than at BASE
    python3 .ci/stacks.py due STACK       due=true, unless it is deployed as HEAD makes it;
                                          refresh=true, if its state may be wrong

A stack is a file Pulumi.<stack>.yaml. It is made of that file, of Pulumi.yaml, of the file of a
vault.caCertFile in one of them, and of what Go says that the program is compiled from, wherever
that lies. A symbolic link counts as what it points to.

A stack is due unless the last thing that happened to it is a successful `pulumi up` of all of it,
from a commit that made it of the same files. Pulumi's own history says which commit that was, on
every backend. A run that was killed leaves a state that is newer than the history.

Unless the last thing was such an `up`, of whatever commit, the state may be wrong too: what a run
did before it failed, and got no answer for, is not in it.

Each answer also goes to where the vendor hands it on: GITHUB_OUTPUT, or a command of Azure DevOps.
"""

import contextlib
import datetime
import fnmatch
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Optional

RINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rings")
# Files beside Go's packages that decide what is compiled, and how.
PROJECT = [
    "Pulumi.yaml",
    "go.mod",
    "go.sum",
    "go.work",
    "go.work.sum",
    "vendor/modules.txt",
]
# One file a line, by its full path: sources, and what they embed.
LISTED = (
    "{{$dir := .Dir}}"
    '{{range .GoFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}'
    '{{range .CgoFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}'
    '{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}'
)
# A certificate file in a stack's settings or in those of the project, as YAML or as JSON in it.
CERTIFICATE = re.compile(r"""^[^#\n]*\bcaCertFile["']?\s*:\s*["']?([^"'#,}\n]+)""", re.MULTILINE)
# Flags by which an update is not one of the whole stack with its own settings. Pulumi's history
# has the flags of each update.
PARTIAL = re.compile(r"pulumi\.flag\.((target|exclude|config-file).*)")


class Refused(Exception):
    """What is wrong and what to do, in one sentence."""


def run(folder: str, *command: str) -> str:
    """What a command prints. Its own messages go to the log."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def find_stacks(folder: str) -> List[str]:
    """The stacks of a checkout."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(folder), "Pulumi.*.yaml")):
        file = os.path.basename(path)
        fitting = re.fullmatch(r"Pulumi\.([A-Za-z0-9_.-]+)\.yaml", file)
        if not fitting:
            raise Refused(f"{file}: a stack's name has letters, digits, `_`, `-` and `.`")
        found.append(fitting[1])
    lower = [name.lower() for name in found]
    twins = sorted(name for name in found if lower.count(name.lower()) > 1)
    if twins:
        # The environments of GitHub and Azure DevOps ignore case, so they would share approvals.
        raise Refused(f"{' and '.join(twins)} differ in case only; rename one of them")
    return sorted(found)


def read_rings() -> Dict[str, List[str]]:
    """The rings in their order, each with its patterns."""
    rings = {}
    with open(RINGS, encoding="utf-8") as handle:
        for line in handle:
            words = line.split("#")[0].split()
            if words:
                rings[words[0]] = words[1:]
    return rings


def sort_into_rings(stacks: List[str]) -> Dict[str, List[str]]:
    """Every ring with its stacks."""
    rings = read_rings()
    sorted_stacks: Dict[str, List[str]] = {ring: [] for ring in rings}
    for stack in stacks:
        fitting = [ring for ring, patterns in rings.items() if fits(stack, patterns)]
        if not fitting:
            raise Refused(f"no ring of .ci/rings takes the stack {stack}; add a pattern")
        sorted_stacks[fitting[0]].append(stack)
    return sorted_stacks


def fits(stack: str, patterns: List[str]) -> bool:
    """Whether one of the patterns is the stack's."""
    return any(fnmatch.fnmatchcase(stack, pattern) for pattern in patterns)


def digest(file: str) -> Optional[str]:
    """The sum of a file's content, or nothing where no file is."""
    try:
        with open(file, "rb") as handle:
            return hashlib.sha256(handle.read()).hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def program(folder: str) -> Dict[str, Optional[str]]:
    """The sum of each file that every stack of a checkout is made of."""
    root = os.path.realpath(folder)
    listed = run(root, "go", "list", "-deps", "-f", LISTED, ".").splitlines()
    files = [os.path.relpath(file, root) for file in listed if file.startswith(root + os.sep)]
    return {file: digest(os.path.join(root, file)) for file in PROJECT + files}


def settings(folder: str, stack: str) -> Dict[str, Optional[str]]:
    """The sum of a stack's own file, and of the certificates that the program reads for it."""
    own = f"Pulumi.{stack}.yaml"
    files = [own, *find_certificates(folder, own), *find_certificates(folder, "Pulumi.yaml")]
    return {file: digest(os.path.join(folder, file)) for file in files}


def find_certificates(folder: str, file: str) -> List[str]:
    """The certificate files that a file of settings names. One outside of the checkout is none."""
    try:
        with open(os.path.join(folder, file), encoding="utf-8") as handle:
            text = handle.read()
    except FileNotFoundError:
        return []
    named = [os.path.normpath(name.strip()) for name in CERTIFICATE.findall(text)]
    return [name for name in named if not name.startswith((os.sep, os.pardir + os.sep))]


@contextlib.contextmanager
def checkout(commit: str) -> Iterator[str]:
    """A folder with the files of a commit, beside the one at work."""
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, "checkout")
        run(".", "git", "worktree", "add", "--quiet", "--detach", folder, commit)
        try:
            yield folder
        finally:
            run(".", "git", "worktree", "remove", "--force", folder)


def find_changed(base: str) -> List[str]:
    """The stacks that HEAD makes of other files than the commit where it left base."""
    stacks = find_stacks(".")
    fork = run(".", "git", "merge-base", base, "HEAD").strip()
    now = program(".")
    with checkout(fork) as folder:
        if program(folder) != now:
            return stacks
        return [stack for stack in stacks if settings(folder, stack) != settings(".", stack)]


def read_newest(stack: str) -> Dict[str, Any]:
    """The newest entry of a stack's history, which is empty where there is none."""
    history: List[Dict[str, Any]] = json.loads(
        run(".", "pulumi", "stack", "history", "--stack", stack, "--json", "--page-size", "1")
    )
    return history[0] if history else {}


def why_doubted(stack: str, newest: Dict[str, Any]) -> Optional[str]:
    """Why a stack's state may be wrong, or nothing."""
    if not newest:
        # Or its first run was killed, and only the state knows of it.
        return "it was never deployed"
    if newest["kind"] != "update" or newest["result"] != "succeeded":
        return f"the last thing that happened to it is a {newest['kind']}: {newest['result']}"
    partial = [match[1] for match in map(PARTIAL.match, sorted(newest["environment"])) if match]
    if partial:
        return f"its last update had --{partial[0]}, so it was not one of the whole stack"
    if is_newer(read_state_time(stack), newest["endTime"]):
        return "its state is newer than its history, so a run was cut off"
    return None


def why_outdated(stack: str, newest: Dict[str, Any]) -> Optional[str]:
    """Why the newest update of a stack is not one of HEAD, or nothing."""
    commit = find_commit(newest["environment"])
    if not commit:
        return "it was deployed from files that are in no commit of this repository"
    with checkout(commit) as folder:
        if settings(folder, stack) != settings(".", stack):
            return f"its settings are others than those of {commit}, which is deployed"
        if not is_same_program(folder):
            return f"the program is another than that of {commit}, which is deployed"
    return None


def answer_due(stack: str) -> None:
    """Says whether a stack has to be deployed, why, and whether it has to be refreshed for that."""
    newest = read_newest(stack)
    doubt = why_doubted(stack, newest)
    reason = doubt
    if not reason and os.environ.get("DEPLOY") == "always":
        reason = "DEPLOY=always asks for it"
    if not reason:
        reason = why_outdated(stack, newest)
    print(f"{stack}: {reason or 'deployed as this commit makes it'}")
    answer("due", reason is not None)
    answer("refresh", doubt is not None)


def is_same_program(folder: str) -> bool:
    """Whether a checkout makes the program of the same files. One that Go cannot list does not."""
    now = program(".")
    try:
        return program(folder) == now
    except subprocess.CalledProcessError:
        return False


def find_commit(environment: Dict[str, str]) -> Optional[str]:
    """The commit of an update, if all of it was committed and it is known here."""
    commit = environment.get("git.head", "")
    if environment.get("git.dirty") != "false" or not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    known = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], check=False)
    return commit if known.returncode == 0 else None


def read_state_time(stack: str) -> str:
    """When the engine last wrote the stack's state."""
    state: Any = json.loads(run(".", "pulumi", "stack", "export", "--stack", stack))
    time: str = state["deployment"]["manifest"]["time"]
    return time


def is_newer(state: str, update: str) -> bool:
    """Compares whole seconds: the history has no finer ones."""
    return read_time(state) > read_time(update)


def read_time(text: str) -> datetime.datetime:
    """A time of RFC 3339 without its fraction, whose nine digits Python would refuse."""
    plain = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(plain)


def answer(name: str, value: Any) -> None:
    """Prints an answer and hands it to the jobs that follow."""
    line = f"{name}={json.dumps(value)}"
    print(line)
    output = os.environ.get("GITHUB_OUTPUT")
    if output:
        with open(output, "a", encoding="utf-8") as handle:
            handle.write(line + "\n")
    if os.environ.get("TF_BUILD"):
        print(f"##vso[task.setvariable variable={name};isOutput=true]{json.dumps(value)}")


def main(arguments: List[str]) -> Optional[str]:
    """Runs a command. The answer is what went wrong."""
    try:
        if arguments == ["all"]:
            answer("stacks", find_stacks("."))
        elif arguments == ["rings"]:
            answer("rings", sort_into_rings(find_stacks(".")))
        elif len(arguments) == 2 and arguments[0] == "changed":
            answer("stacks", find_changed(arguments[1]))
        elif len(arguments) == 2 and arguments[0] == "due":
            answer_due(arguments[1])
        else:
            return "usage: stacks.py all | rings | changed BASE | due STACK"
    except Refused as refusal:
        return f"error: {refusal}"
    except subprocess.CalledProcessError as failure:
        return f"error: `{' '.join(failure.cmd[:3])}` failed with status {failure.returncode}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
