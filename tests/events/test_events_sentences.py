"""Events in words: a sentence for a list, and all details with the policy trace."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.events.event import ACTIONS
from ostiary.events.repository import Event
from ostiary.events.sentences import named_in, sentence, story

ADA = {"pk": 7, "username": "ada", "email": "ada@example.org"}
TRACE: dict[str, Any] = {
    "target": "app",
    "mode": "all",
    "user": 7,
    "revision": 12,
    "static": None,
    "passing": False,
    "steps": [
        {
            "binding": "b1",
            "order": 0,
            "kind": "group",
            "object": "g",
            "name": "admins",
            "negate": True,
            "how": "static",
            "raw": True,
            "result": False,
            "messages": [],
            "error": "",
        },
        {
            "binding": "b2",
            "order": 1,
            "kind": "policy",
            "object": "p",
            "name": "office-hours",
            "negate": False,
            "how": "failed",
            "raw": None,
            "result": None,
            "messages": ["Come back tomorrow."],
            "error": "no such name: clock",
        },
    ],
}


def event_of(action: str, context: dict[str, Any] | None = None, *, user: dict[str, Any] | None = ADA) -> Event:
    return Event(
        pk="01a22bf8-b258-71e3-9fbe-4ebfe521bddf",
        created=0,
        expires=0,
        action=action,
        app="a",
        user=user or {},
        context=context or {},
        client_ip="192.0.2.1",
        brand={},
    )


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (event_of("login", {"auth_method": "password"}), "ada signed in (password)"),
        (event_of("login_failed", {"stage": "password"}), "ada could not sign in: the password was wrong"),
        (event_of("logout"), "ada signed out"),
        (
            event_of("authorize_application", {"authorized_application": {"name": "Grafana", "pk": "1"}}),
            "ada signed in to Grafana",
        ),
        (
            event_of(
                "custom_refused",
                {
                    "where": "/application/o/authorize/",
                    "reason": "not listed",
                    "application": {"name": "Grafana"},
                    "offered": "https://x.example/cb",
                },
                user=None,
            ),
            "somebody was refused at /application/o/authorize/ for Grafana: not listed; address in the request: https://x.example/cb",
        ),
        (
            event_of(
                "custom_refused", {"where": "/token/", "reason": "unknown client", "client_id": "wiki"}, user=None
            ),
            "somebody was refused at /token/ for wiki: unknown client",
        ),
        (
            event_of(
                "model_updated", {"model": {"model_name": "user", "name": "jo"}, "diff": {"name": {}, "email": {}}}
            ),
            "ada changed user jo: name, email",
        ),
        (event_of("model_created", {"model": {"model_name": "group", "pk": "5"}}), "ada created group 5"),
        (event_of("policy_exception", {"policy": "hours", "message": "boom"}), "policy hours failed for ada: boom"),
        (
            event_of("custom_sessions_revoked", {"message": "Signed out everywhere."}),
            "ada: sessions revoked: Signed out everywhere.",
        ),
    ],
)
def test_the_sentence_of_each_action(event: Event, words: str) -> None:
    assert sentence(event) == words


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize(
    "context", [{}, {"model": "x", "application": 3, "diff": [], "message": None, "trace": {"steps": [None, 3]}}]
)
def test_every_action_has_a_sentence(action: str, context: dict[str, Any]) -> None:
    assert sentence(event_of(action, context, user=None))
    assert list(story(event_of(action, context)))


def test_the_details_contain_the_policy_trace() -> None:
    lines = list(
        story(event_of("custom_refused", {"where": "/x", "reason": "no", "trace": TRACE, "error": "access_denied"}))
    )
    assert lines[0] == "ada was refused at /x: no"
    assert lines[2:5] == [
        "The policies refused it (all of these must pass; revision 12):",
        "  no: group admins (compared; negated), binding b1",
        '  not evaluated: policy office-hours (could not be evaluated; no such name: clock; "Come back tomorrow."), binding b2',
    ]
    assert "error: access_denied" in lines
    assert "address: 192.0.2.1" in lines
    assert not any(line.startswith("trace") for line in lines)


def test_the_story_names_groups_and_people() -> None:
    steps = [
        {**TRACE["steps"][0], "name": "", "object": "g-1"},
        {**TRACE["steps"][0], "name": "", "kind": "user", "object": 8, "binding": "b3"},
    ]
    event = event_of("custom_refused", {"where": "/x", "reason": "no", "trace": {**TRACE, "steps": steps}})
    assert list(named_in(event)) == [("group", "g-1"), ("user", 8)]
    assert list(named_in(event_of("custom_refused", {"trace": TRACE}))) == []
    lines = list(story(event, {"g-1": "staff", "8": "bob"}))
    assert lines[3:5] == [
        "  no: group staff (compared; negated), binding b1",
        "  no: user bob (compared; negated), binding b3",
    ]
    assert "  no: group g-1 (compared; negated), binding b1" in list(story(event))
