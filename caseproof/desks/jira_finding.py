"""Finding the issue of a key in Jira Cloud, though its search knows a new issue only a while later.

An issue is looked for by its label in the search. What the search may not know yet is read one by one: issues of a
project are numbered one after the other, and reading an issue by its key asks the database and not the index. So every
number after the newest that the search knows is read until several in a row are not there, as are those that it leaves
out just before. Properties would be exact, but only an app can have them searched; they say which one of several is
ours: whoever clones an issue clones its labels, and not its properties. One without (a site may drop them) is ours
where our account made it.
"""

from __future__ import annotations

from collections.abc import Iterator

from caseproof.desks.base import DeskDown, DeskError
from caseproof.desks.jira_api import JiraApi
from caseproof.desks.jira_wire import FOUND, PROPERTY, Issue

PAGE, MOST_PAGES = 50, 20
BEHIND = 10
"""So many numbers before the newest that the search knows may be unknown to it."""
GAP = 5
"""After so many numbers in a row that are not there, none is: one that was not made, or was deleted, leaves a gap."""
MOST_AHEAD = 200
"""A search that is further behind than so many issues says nothing for sure."""


def held(key: str, project: str) -> dict[str, str]:
    """What the property of an issue holds that is made under this key in this project."""
    return {"key": key, "project": project}


class Finder:
    """Safe to use from several threads."""

    def __init__(self, api: JiraApi) -> None:
        self._api, self._project = api, api.account.project
        self._known: dict[str, str] = {}

    def note(self, key: str, number: str) -> None:
        """The issue with this id is the key's."""
        self._known[key] = number

    def find(self, key: str) -> Issue | None:
        """The issue of this key; None where there is none. Raises DeskDown where nobody can say for sure."""
        issue = self._remembered(key) or self._best(key, self._by_label(key)) or self._best(key, self._lately())
        if issue is not None:
            self.note(key, issue.id)
        return issue

    def is_of(self, issue: Issue, key: str) -> bool:
        """Whether it was made under this key by us."""
        if issue.made_as is not None:
            return issue.made_as == held(key, self._project)
        creator = issue.fields.creator
        return (
            self._has_label(issue, key)
            and issue.number_in(self._project) > 0
            and creator is not None
            and creator.id == self._api.me
        )

    def _has_label(self, issue: Issue, key: str) -> bool:
        return self._api.account.label_of(key) in issue.fields.labels

    def _remembered(self, key: str) -> Issue | None:
        number = self._known.get(key)
        issue = None if number is None else self._api.issue(number)
        return issue if issue is not None and self.is_of(issue, key) else None

    def _best(self, key: str, issues: Iterator[Issue]) -> Issue | None:
        """Of several, whoever looks takes the same: the oldest."""
        ours = [one for one in issues if self.is_of(one, key)]
        return min(ours, key=lambda one: int(one.id), default=None)

    def _by_label(self, key: str) -> Iterator[Issue]:
        """What the search knows by the label, each read again: the index may be old in both ways."""
        label = self._api.account.label_of(key)
        for found in self.search(f'labels = "{label}" ORDER BY created ASC'):  # wherever it was moved to
            if self._has_label(found, key):
                issue = self._api.issue(found.id)
                if issue is not None:
                    yield issue

    def _lately(self) -> Iterator[Issue]:
        """The issues that the search may not know yet."""
        newest = self._page(f'project = "{self._project}" ORDER BY created DESC', None)[0]
        numbers = {one.number_in(self._project) for one in newest} - {0}
        top = max(numbers, default=0)
        for number in range(max(1, top - BEHIND), top):
            if number not in numbers and (issue := self._api.issue(f"{self._project}-{number}")) is not None:
                yield issue
        missing, number = 0, top
        while missing < GAP:
            number += 1
            if number - top > MOST_AHEAD:
                raise DeskDown(
                    f"The search of {self._api.name} is more than {MOST_AHEAD} issues behind.",
                    "Try again later: whether the ticket is there already cannot be said for sure now.",
                )
            issue = self._api.issue(f"{self._project}-{number}")
            if issue is None:
                missing += 1
            else:
                missing = 0
                yield issue

    def search(self, jql: str) -> Iterator[Issue]:
        """All issues that the search knows, page by page. Raises DeskError for a search without an end."""
        token: str | None = None
        before = set[str]()
        for _ in range(MOST_PAGES):
            issues, token = self._page(jql, token)
            yield from issues
            if token is None:
                return
            if token in before:
                break
            before.add(token)
        raise DeskError(
            f"A search in {self._api.name} comes to no end.",
            "Look whether many issues have our label there, and try again later.",
        )

    def _page(self, jql: str, token: str | None) -> tuple[list[Issue], str | None]:
        asked = {"jql": jql, "maxResults": PAGE, "fields": ["labels", "creator"], "properties": [PROPERTY]}
        body = asked if token is None else {**asked, "nextPageToken": token}
        answer = self._api.call("POST", "search/jql", json=body, reads=True)
        if answer.is_missing:
            raise self._api.not_the_api()
        page = self._api.one(answer, FOUND)
        return page.issues, page.next or None
