"""The user write stage: it creates or updates a user with the values of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, cast

from ostiary.directory.errors import Busy
from ostiary.directory.resources import USER, KeepSession
from ostiary.flows.interface.stage_context import Done, Refused, StageContext, StageFailed, Verdict
from ostiary.flows.proofs import reauthentication
from ostiary.flows.proofs.proof import MESSAGE
from ostiary.flows.resources import STAGE, Stage
from ostiary.resource import InvalidResource, OnDelete, Reference, kind
from ostiary.seal import Secret

if TYPE_CHECKING:
    from ostiary.store.workspace.editor import Workspace

_FIELDS: Final = frozenset({"username", "name", "email", "path", "type", "is_active"})


@kind(
    "authentik_stages_user_write.userwritestage",
    verbose_name="User Write Stage",
    component="ak-stage-user-write-form",
    routes="stages/user_write",
    families=(STAGE,),
)
class UserWriteStage(Stage):
    """Writes the values of prompts to the pending user, or to a new one."""

    COMPONENT: ClassVar[str] = "ak-stage-access-denied"

    user_creation_mode: Literal["never_create", "create_when_required", "always_create"] = "create_when_required"
    create_users_as_inactive: bool = False
    create_users_group: Annotated[str | None, Reference("authentik_core.group", OnDelete.SET_NULL)] = None
    user_type: Literal["internal", "external", "service_account", "internal_service_account"] = "external"
    user_path_template: str = ""

    async def open(self, stage_context: StageContext) -> Verdict:
        """Write the user. Nothing is shown."""
        if not stage_context.mapping("prompt_data"):
            return Refused("There is nothing to write.")
        own = stage_context.behaviour.write(stage_context)
        if own is not None:
            return Done(commit=own)
        pk = None if self.user_creation_mode == "always_create" else self._target(stage_context)
        if pk is None and self.user_creation_mode == "never_create":
            return Refused("There is nobody whose data could be changed.")
        again = None if pk is None else await self._again(stage_context, pk)
        return Done(commit=lambda: self._write(stage_context, pk)) if again is None else again

    async def _again(self, stage_context: StageContext, pk: int) -> Verdict | None:
        """Return the required reauthentication, if this changes the user's credentials."""
        user = await stage_context.person(pk)
        values = changed(stage_context.mapping("prompt_data"), {})
        # guard: A33 a password change requires the old password
        if user is None or not reauthentication.is_sensitive(user, values):
            return None
        if reauthentication.is_proven(
            pk,
            context=stage_context.context,
            session=stage_context.session,
            proof=stage_context.proof,
            now=stage_context.now,
        ):
            return None
        if not user.has_password:
            return Refused(reauthentication.STALE)
        return Done(insert=(reauthentication.REAUTHENTICATE, str(self.pk)))

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Write the user; there is no challenge."""
        del answer
        return await self.open(stage_context)

    def _target(self, stage_context: StageContext) -> int | None:
        return stage_context.pending_pk if "pending_user" in stage_context.context else stage_context.session.user

    async def _write(self, stage_context: StageContext, pk: int | None) -> Mapping[str, object]:
        """Write the user, with an ordinary save. Raises StageFailed."""
        data = stage_context.mapping("prompt_data")

        async def work(workspace: Workspace) -> int:
            if pk is None:
                created = await workspace.create(USER, self._new(stage_context, data))
                return int(created.pk)
            stored = await workspace.get(USER, pk)
            if stored is None:
                raise StageFailed("This account does not exist any more.")
            await _require_proof(stage_context, pk)
            keep = KeepSession(stage_context.session.key)  # a new password ends the person's other sessions
            await workspace.update(stored, changed(data, stored.values), note=keep)
            return pk

        author = str(stage_context.session.who.get("username") or f"flow {stage_context.flow.slug}")
        try:
            written, _ = await stage_context.services.editor.edit(
                work, author=author, message=f"Written by stage {self.name}", now=stage_context.now
            )
        except InvalidResource as error:
            raise StageFailed(" ".join(problem.message for problem in error.problems)) from error
        except Busy as error:
            raise StageFailed(str(error)) from error
        user = {"pk": written, "username": str(data.get("username", ""))}
        return {"pending_user": user, "prompt_data": without_passwords(data)}

    def _new(self, stage_context: StageContext, data: Mapping[str, object]) -> dict[str, object]:
        groups = stage_context.context.get("groups")
        wanted = [str(one) for one in groups] if isinstance(groups, list) else []
        values: dict[str, object] = {
            "type": stage_context.text("user_type") or self.user_type,
            "path": stage_context.text("user_path") or self.user_path_template or "users",
            "is_active": not self.create_users_as_inactive,
            "groups": [*wanted, *([self.create_users_group] if self.create_users_group else [])],
        }
        return {**values, **changed(data, {})}


async def _require_proof(stage_context: StageContext, pk: int) -> None:
    """Check that the proof is still valid, after the user's row was read. Raises StageFailed.

    Whatever ends proofs also changes that row, so the commit fails after a change between this check and the commit.
    """
    if stage_context.proof is not None and stage_context.proof.user == pk:
        user = await stage_context.services.users.get(pk)
        if user is None or user.stamp != stage_context.proof.stamp:
            raise StageFailed(MESSAGE)


def changed(data: Mapping[str, object], current: Mapping[str, object]) -> dict[str, object]:
    """Return the user fields that the prompt values set. Unknown keys are dropped, as in authentik."""
    values: dict[str, object] = {}
    attributes = current.get("attributes")
    tree: dict[str, object] = dict(attributes) if isinstance(attributes, Mapping) else {}
    for key, raw in data.items():
        value = raw.isoformat() if isinstance(raw, date) else raw
        if key in _FIELDS:
            values[key] = value
        elif key == "password" and isinstance(value, str) and value:
            values[key] = Secret(value)
        elif key == "locale":
            _plant(tree, ["settings", "locale"], value)
        elif key.startswith(("attributes.", "attributes_")):
            _plant(tree, key[len("attributes.") :].split(".") if key[len("attributes")] == "." else [key[11:]], value)
    if tree != (attributes or {}):
        values["attributes"] = tree
    return values


def _plant(tree: dict[str, object], path: list[str], value: object) -> None:
    """Set a nested value in mappings, copying those on the path."""
    for name in path[:-1]:
        below = tree.get(name)
        tree[name] = dict(below) if isinstance(below, Mapping) else {}
        tree = cast("dict[str, object]", tree[name])
    tree[path[-1]] = value


def without_passwords(data: Mapping[str, object]) -> dict[str, object]:
    """Return the prompt values without the password and its repetition."""
    secret = data.get("password")
    return {key: value for key, value in data.items() if secret is None or value != secret}
