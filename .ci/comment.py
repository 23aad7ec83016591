"""Shows a plan where reviewers look: a comment that is edited in place, or the run's summary.

    python3 .ci/comment.py TITLE FILE

On a pull request GitHub and Azure DevOps get a comment, written with the job's own token. GitLab
gives its jobs no token that may comment: there the plan is plan.md, an artifact that the merge
request shows. With a project access token in GITLAB_COMMENT_TOKEN it is a comment too.
"""

import json
import os
import re
import sys
from typing import Any, Dict, List, NamedTuple, Optional

import job_token
import web

# GitHub takes 65,536 characters.
LONGEST = 60000


class Comment(NamedTuple):
    """A comment that is there."""

    address: str
    text: str


def render(title: str, plan: str) -> str:
    """The comment's Markdown. Its first line is the mark by which the next run finds it."""
    if len(plan) > LONGEST:
        plan = plan[:LONGEST] + "\n... cut off; the job's log has all of it"
    longest = max((len(run) for run in re.findall("`+", plan)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{mark(title)}\n### {title}\n\n{fence}\n{plan}\n{fence}\n"


def mark(title: str) -> str:
    """The mark of this title's comment, invisible to a reader."""
    return f"<!-- plan of mlvault: {title} -->"


def ask(purpose: str, url: str, headers: Dict[str, str]) -> Any:
    """The JSON at an address."""
    return web.decode(web.send(web.Request(purpose, url, headers)), purpose)


def write(request: web.Request) -> None:
    """Writes a comment or changes one."""
    web.send(request)


def on_github(title: str, text: str) -> None:
    """A comment on the pull request of this event."""
    with open(web.setting("GITHUB_EVENT_PATH"), encoding="utf-8") as handle:
        number = json.load(handle)["pull_request"]["number"]
    repository = f"{web.setting('GITHUB_API_URL')}/repos/{web.setting('GITHUB_REPOSITORY')}"
    headers = {
        "Authorization": f"Bearer {web.setting('GITHUB_TOKEN')}",
        "Accept": "application/vnd.github+json",
    }
    comments = f"{repository}/issues/{number}/comments"
    found = None
    page = 1
    while True:
        listed = ask("the comments on GitHub", f"{comments}?per_page=100&page={page}", headers)
        for comment in listed:
            if comment["body"].startswith(mark(title)):
                found = f"{repository}/issues/comments/{comment['id']}"
        if len(listed) < 100:
            break
        page += 1
    body = {"body": text}
    if found:
        write(web.Request("change the comment", found, headers, body, "PATCH"))
    else:
        write(web.Request("write the comment", comments, headers, body, "POST", expected=201))


def on_azure_devops(title: str, text: str) -> None:
    """A thread on the pull request of this build. It is closed, so that it blocks no merge."""
    project = web.setting("SYSTEM_COLLECTIONURI") + web.setting("SYSTEM_TEAMPROJECTID")
    repository = f"{project}/_apis/git/repositories/{web.setting('BUILD_REPOSITORY_ID')}"
    number = web.setting("SYSTEM_PULLREQUEST_PULLREQUESTID")
    threads = f"{repository}/pullRequests/{number}/threads"
    headers = {"Authorization": f"Bearer {web.setting('SYSTEM_ACCESSTOKEN')}"}
    version = "api-version=7.1"
    found = None
    listed = ask("the comments on Azure DevOps", f"{threads}?{version}", headers)
    for thread in listed["value"]:
        for comment in thread["comments"]:
            if (comment.get("content") or "").startswith(mark(title)):
                found = f"{threads}/{thread['id']}/comments/{comment['id']}?{version}"
    if found:
        body: Dict[str, Any] = {"content": text}
        write(web.Request("change the comment", found, headers, body, "PATCH"))
        return
    comment_body = {"parentCommentId": 0, "content": text, "commentType": "text"}
    body = {"comments": [comment_body], "status": "closed"}
    write(web.Request("write the comment", f"{threads}?{version}", headers, body, "POST"))


def on_gitlab(title: str, text: str) -> None:
    """A note on the merge request, where a token was given for it."""
    token = os.environ.get("GITLAB_COMMENT_TOKEN")
    if not token:
        return
    request = f"projects/{web.setting('CI_PROJECT_ID')}/merge_requests"
    request += f"/{web.setting('CI_MERGE_REQUEST_IID')}/notes"
    notes = f"{web.setting('CI_API_V4_URL')}/{request}"
    headers = {"PRIVATE-TOKEN": token}
    found = None
    page = 1
    while True:
        listed = ask("the notes on GitLab", f"{notes}?per_page=100&page={page}", headers)
        for note in listed:
            if note["body"].startswith(mark(title)):
                found = f"{notes}/{note['id']}"
        if len(listed) < 100:
            break
        page += 1
    body = {"body": text}
    if found:
        write(web.Request("change the note", found, headers, body, "PUT"))
    else:
        write(web.Request("write the note", notes, headers, body, "POST", expected=201))


def is_of_pull_request() -> bool:
    """Whether this job runs for a pull request."""
    if job_token.vendor() == "github":
        return os.environ.get("GITHUB_EVENT_NAME") == "pull_request"
    names = ["SYSTEM_PULLREQUEST_PULLREQUESTID", "CI_MERGE_REQUEST_IID"]
    return any(os.environ.get(name) for name in names)


def summarize(text: str, file: str) -> None:
    """Puts the text where the vendor shows a run's summary. GitLab has its log and artifact."""
    if job_token.vendor() == "github":
        with open(web.setting("GITHUB_STEP_SUMMARY"), "a", encoding="utf-8") as handle:
            handle.write(text)
    if job_token.vendor() == "azure-devops":
        summary = os.path.abspath(f"{file}.md")
        with open(summary, "w", encoding="utf-8") as handle:
            handle.write(text)
        print(f"##vso[task.uploadsummary]{summary}")


def show(title: str, file: str) -> None:
    """Shows the text of a file under a title."""
    with open(file, encoding="utf-8") as handle:
        text = render(title, handle.read().strip())
    if job_token.vendor() == "gitlab":
        with open("plan.md", "w", encoding="utf-8") as handle:
            handle.write(text)
    if not is_of_pull_request():
        summarize(text, file)
        return
    writers = {"github": on_github, "azure-devops": on_azure_devops, "gitlab": on_gitlab}
    writers[job_token.vendor()](title, text)


def main(arguments: List[str]) -> Optional[str]:
    """Shows a plan. The answer is what went wrong."""
    if len(arguments) != 2:
        return "usage: comment.py TITLE FILE"
    try:
        show(*arguments)
    except (web.Refused, OSError) as refusal:
        return f"error: {refusal}"
    except (KeyError, TypeError, AttributeError):
        return "error: the answer of the service that keeps the comments has another form"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
