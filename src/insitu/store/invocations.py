"""Invocations of functions: those that were accepted, until they have ended, and the log of those that have."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal_column, select, update

from ..errors import NotFound, QuotaExceeded
from ..types import CodeError, Invocation
from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .queries import owned
from .quota import Quota
from .servers import Servers
from .tables import function_revisions, invocations

_WITHOUT_RESULT = (invocations.c.state, invocations.c.body)


class Invocations(Records):
    """Invocations; look-ups of another owner's raise ``NotFound``, as of those that are not there."""

    def __init__(self, database: Database, quota: Quota, servers: Servers) -> None:
        super().__init__(database)
        self._quota = quota
        self._servers = servers

    @writes
    def accept(
        self, transaction: Transaction, owner: str, invocation: Invocation, revision: str, request: bytes, most: int
    ) -> None:
        """Store one that is to run.

        Raises:
            NotFound: if its revision is gone.
            QuotaExceeded: when ``most`` of the owner's wait or run, or the owner would store more than may be.
        """
        if not transaction.execute(select(func.count()).where(owned(function_revisions, revision, owner))).scalar_one():
            raise missing("revision", revision)
        waiting = and_(invocations.c.owner == owner, _open())
        if transaction.execute(select(func.count()).where(waiting)).scalar_one() >= most:
            raise QuotaExceeded(
                f"{most} of your invocations wait or run, the most for one key", hint="wait for some of them to end"
            )
        self._quota.charge(transaction, owner, len(request))
        self._insert(transaction, owner, invocation, revision, request)

    @writes
    def begin(self, transaction: Transaction, owner: str, invocation: Invocation) -> bytes | None:
        """Note that one that waits runs now; what it is to be called with, or None if it waits no more."""
        waits = and_(owned(invocations, invocation.id, owner), invocations.c.state == "queued")
        request = transaction.execute(select(invocations.c.request).where(waits)).scalar_one_or_none()
        if request is not None:
            transaction.execute(update(invocations).where(waits).values(state="running", body=_body(invocation)))
        return request

    @writes
    def put_back(self, transaction: Transaction, owner: str, invocation: Invocation) -> None:
        """Note that one that was to run waits again: nothing of it has run."""
        transaction.execute(
            update(invocations)
            .where(owned(invocations, invocation.id, owner))
            .values(state="queued", body=_body(invocation))
        )

    @writes
    def finish(self, transaction: Transaction, owner: str, invocation: Invocation) -> None:
        """Note how one has ended."""
        transaction.execute(
            update(invocations)
            .where(owned(invocations, invocation.id, owner))
            .values(state="done", body=_body(invocation), result=invocation.result, request=b"")
        )

    @writes
    def log(self, transaction: Transaction, ended: Sequence[tuple[str, str, Invocation]], most: int) -> None:
        """Note some that were awaited and have ended; of each function's, the last ``most`` are kept.

        Args:
            ended: owner, revision and invocation.
        """
        for owner, revision, invocation in ended:
            self._insert(transaction, owner, replace(invocation, result=None), revision, b"", accepted=False)
        for owner, function in {(owner, invocation.function) for owner, _, invocation in ended}:
            mine = and_(_of(owner, function), invocations.c.accepted.is_(False))
            last = select(invocations.c.seq).where(mine).order_by(invocations.c.seq.desc()).offset(most).limit(1)
            transaction.execute(delete(invocations).where(mine, invocations.c.seq <= last.scalar_subquery()))

    @reads
    def get(self, transaction: Transaction, owner: str, id: str) -> Invocation:
        """One invocation."""
        query = select(*_WITHOUT_RESULT, invocations.c.result).where(owned(invocations, id, owner))
        row = transaction.execute(query).one_or_none()
        if row is None:
            raise missing("invocation", id)
        return _read(*row)

    @reads
    def ended(self, transaction: Transaction, owner: str, function: str, limit: int) -> Sequence[Invocation]:
        """The last that have ended of a function, the newest first, without what they returned."""
        query = select(*_WITHOUT_RESULT).where(_of(owner, function), invocations.c.state == "done")
        rows = transaction.execute(query.order_by(invocations.c.seq.desc()).limit(limit)).all()
        return [_read(*row) for row in rows]

    @writes
    def take_over(self, transaction: Transaction) -> Sequence[tuple[str, str, Invocation]]:
        """Those that wait on a server that has died, which are this server's now; those that ran there are told so.

        Returns:
            owner, revision and invocation of each that waits.
        """
        query = select(invocations).where(_open(), invocations.c.server != self._servers.id)
        waiting = []
        for row in transaction.execute(query.order_by(invocations.c.seq)).all():
            if self._servers.alive(row.server):
                continue
            invocation, mine = _read(row.state, row.body), owned(invocations, row.id, row.owner)
            if row.state == "queued":
                transaction.execute(update(invocations).where(mine).values(server=self._servers.id))
                waiting.append((row.owner, row.revision_id, invocation))
            else:
                _end(transaction, row.owner, invocation, "Crashed", "the server stopped while it ran", "crashed")
        return waiting

    def _insert(
        self,
        transaction: Transaction,
        owner: str,
        invocation: Invocation,
        revision: str,
        request: bytes,
        *,
        accepted: bool = True,
    ) -> None:
        row = {
            "id": invocation.id,
            "owner": owner,
            "function_id": invocation.function,
            "revision_id": revision,
            "created": invocation.created,
            "state": invocation.state,
            "accepted": accepted,
            "server": self._servers.id,
            "body": _body(invocation),
            "request": request,
            "result": invocation.result,
        }
        transaction.execute(insert(invocations).inline(), [row])


def end_queued(transaction: Transaction, owner: str, function: str, revisions: Collection[str] | None) -> None:
    """Tell those that wait that what they are for was deleted; None are all revisions, whose log goes as well."""
    mine = _of(owner, function)
    if revisions is not None:
        mine = and_(mine, invocations.c.revision_id.in_(revisions))
    else:
        transaction.execute(delete(invocations).where(mine, invocations.c.state == "done"))
    query = select(*_WITHOUT_RESULT).where(mine, invocations.c.state == "queued")
    for row in transaction.execute(query).all():
        _end(transaction, owner, _read(*row), NotFound.__name__, "it was deleted before this ran", "cancelled")


def unfinished_revisions(transaction: Transaction, owner: str, function: str) -> set[str]:
    """The revisions of a function that an invocation waits for, or runs."""
    query = select(invocations.c.revision_id).where(_of(owner, function), _open())
    return set(transaction.execute(query).scalars())


def _end(transaction: Transaction, owner: str, invocation: Invocation, name: str, value: str, outcome: Any) -> None:
    since = invocation.started
    duration_ms = round((time.time() - since) * 1000, 3) if since else 0.0
    ended = replace(invocation, state="done", outcome=outcome, error=CodeError(name, value), duration_ms=duration_ms)
    change = update(invocations).where(owned(invocations, invocation.id, owner))
    transaction.execute(change.values(state="done", body=_body(ended), request=b""))


def _of(owner: str, function: str) -> ColumnElement[bool]:
    return and_(invocations.c.owner == owner, invocations.c.function_id == function)


def _open() -> ColumnElement[bool]:
    # In so many words: those of the index, which a parameter would hide.
    return invocations.c.state != literal_column("'done'")


def _body(invocation: Invocation) -> dict[str, Any]:
    body = invocation.to_dict()
    del body["result"], body["state"]
    return body


def _read(state: str, body: dict[str, Any], result: Any = None) -> Invocation:
    return Invocation.from_dict({**body, "state": state, "result": result})
