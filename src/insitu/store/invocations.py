"""Invocations of functions: those that were accepted, until they have ended, and the log of those that have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, literal_column, select, update

from ..errors import NotFound, QuotaExceeded
from ..types import CodeError, Invocation
from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .queries import owned, read_page
from .quota import Quota
from .records import Listing, Page
from .servers import Servers
from .tables import function_revisions, functions, invocation_requests, invocation_results, invocations

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
        self._insert(transaction, owner, invocation, revision, accepted=True)
        _add(transaction, invocation_requests, owner, invocation.id, request)
        self._quota.charge(transaction, owner)

    @writes
    def begin(self, transaction: Transaction, owner: str, invocation: Invocation) -> bytes | None:
        """Note that one that waits runs now; what it is to be called with, or None if it waits no more."""
        if not _change(transaction, owner, invocation, invocations.c.state == "queued"):
            return None
        content = select(invocation_requests.c.content).where(_beside(invocation_requests, owner, invocation.id))
        request: bytes = transaction.execute(content).scalar_one()
        return request

    @writes
    def put_back(self, transaction: Transaction, owner: str, invocation: Invocation) -> None:
        """Note that one that was to run waits again: nothing of it has run."""
        _change(transaction, owner, invocation)

    @writes
    def finish(self, transaction: Transaction, owner: str, invocation: Invocation) -> None:
        """Note how one has ended. What has no room is not kept, and an error in its place says so."""
        if not _end(transaction, owner, invocation):
            return
        if invocation.result is not None:
            _add(transaction, invocation_results, owner, invocation.id, invocation.result)
        if (room := self._quota.room(transaction, owner)) < 0:
            transaction.execute(delete(invocation_results).where(_beside(invocation_results, owner, invocation.id)))
            _change(transaction, owner, _without_room(invocation, -room, self._quota.bytes_per_owner))

    @writes
    def log(self, transaction: Transaction, ended: Sequence[tuple[str, str, Invocation]], most: int) -> None:
        """Note some that were awaited and have ended, without what they returned.

        Of each function's, the last ``most`` are kept; none is added for an owner who may store no more, or of a
        function that is gone, whether or not another has its name.

        Args:
            ended: owner, revision and invocation.
        """
        ended = [each for each in ended if _is_there(transaction, each[0], each[2])]
        for owner, revision, invocation in ended:
            self._insert(transaction, owner, invocation, revision, accepted=False)
        for owner, function in {(owner, invocation.function) for owner, _, invocation in ended}:
            mine = and_(_of(owner, function), invocations.c.accepted.is_(False))
            last = select(invocations.c.seq).where(mine).order_by(invocations.c.seq.desc()).offset(most).limit(1)
            transaction.execute(delete(invocations).where(mine, invocations.c.seq <= last.scalar_subquery()))
        for owner in {owner for owner, _, _ in ended}:
            if self._quota.room(transaction, owner) < 0:
                ids = [invocation.id for whose, _, invocation in ended if whose == owner]
                transaction.execute(delete(invocations).where(invocations.c.owner == owner, invocations.c.id.in_(ids)))

    @reads
    def get(self, transaction: Transaction, owner: str, id: str) -> Invocation:
        """One invocation."""
        row = transaction.execute(select(*_WITHOUT_RESULT).where(owned(invocations, id, owner))).one_or_none()
        if row is None:
            raise missing("invocation", id)
        content = select(invocation_results.c.content).where(_beside(invocation_results, owner, id))
        return _read(row.state, row.body, transaction.execute(content).scalar_one_or_none())

    @reads
    def ended(self, transaction: Transaction, owner: str, function: str, page: Page) -> Listing[Invocation]:
        """Those of a function that have ended, without what they returned."""
        query = select(invocations.c.id, *_WITHOUT_RESULT).where(_of(owner, function), invocations.c.state == "done")
        seq, size = invocations.c.seq, invocations.c.bytes
        return read_page(transaction, query, lambda _, *row: _read(*row), "invocation", page, [seq], size)

    @writes
    def take_over(self, transaction: Transaction) -> Sequence[tuple[str, str, Invocation]]:
        """Those that wait on a server that has died, which are this server's now; those that ran there are told so.

        Returns:
            owner, revision and invocation of each that waits.
        """
        query = select(invocations).where(_open(), invocations.c.server != self._servers.id)
        waiting = []
        # Sorted here: SQLite would look through all that there are, the oldest first.
        for row in sorted(transaction.execute(query).all(), key=attrgetter("seq")):
            if self._servers.alive(row.server):
                continue
            invocation = _read(row.state, row.body)
            if row.state == "queued":
                mine = owned(invocations, row.id, row.owner)
                transaction.execute(update(invocations).where(mine).values(server=self._servers.id))
                waiting.append((row.owner, row.revision_id, invocation))
            else:
                error = CodeError("Crashed", "the server stopped while it ran")
                _end(transaction, row.owner, invocation.broken_off("crashed", error))
        return waiting

    def _insert(
        self, transaction: Transaction, owner: str, invocation: Invocation, revision: str, *, accepted: bool
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
        }
        transaction.execute(insert(invocations).inline(), [row])


def end_queued(transaction: Transaction, owner: str, function: str, revisions: Collection[str] | None) -> None:
    """Tell those that wait that what they are for was deleted; None are all revisions, whose log goes as well."""
    mine = _of(owner, function)
    if revisions is not None:
        mine = and_(mine, invocations.c.revision_id.in_(revisions))
    else:
        transaction.execute(delete(invocations).where(mine, invocations.c.state == "done"))
    query = select(*_WITHOUT_RESULT).where(mine, _open(), invocations.c.state == "queued")
    error = CodeError(NotFound.__name__, "it was deleted before this ran")
    for row in transaction.execute(query).all():
        _end(transaction, owner, _read(*row).broken_off("cancelled", error))


def unfinished_revisions(transaction: Transaction, owner: str, function: str) -> set[str]:
    """The revisions of a function that an invocation waits for, or runs."""
    query = select(invocations.c.revision_id).where(_of(owner, function), _open())
    return set(transaction.execute(query).scalars())


def _add(transaction: Transaction, table: Table, owner: str, id: str, content: Any) -> None:
    transaction.execute(insert(table).inline(), [{"owner": owner, "invocation_id": id, "content": content}])


def _change(transaction: Transaction, owner: str, invocation: Invocation, *conditions: ColumnElement[bool]) -> bool:
    """Note how far one is; False if it is not there, or not as the conditions say."""
    change = update(invocations).where(owned(invocations, invocation.id, owner), *conditions)
    return transaction.execute(change.values(state=invocation.state, body=_body(invocation))).rowcount > 0


def _end(transaction: Transaction, owner: str, invocation: Invocation) -> bool:
    transaction.execute(delete(invocation_requests).where(_beside(invocation_requests, owner, invocation.id)))
    return _change(transaction, owner, invocation)


def _is_there(transaction: Transaction, owner: str, invocation: Invocation) -> bool:
    """Whether its function is still the one that it was called of."""
    query = select(functions.c.created).where(owned(functions, invocation.function, owner))
    created = transaction.execute(query).scalar_one_or_none()
    return created is not None and bool(created <= invocation.created)


def _without_room(invocation: Invocation, over: int, most: int) -> Invocation:
    error = CodeError(
        QuotaExceeded.__name__,
        f"what it returned and wrote is not kept: what is stored for this key would have {most + over} bytes with it;"
        f" {most} are allowed; delete files, responses or functions",
    )
    outcome = "error" if invocation.outcome == "ok" else invocation.outcome
    return replace(invocation, outcome=outcome, error=error, result=None, stdout="", stderr="")


def _of(owner: str, function: str) -> ColumnElement[bool]:
    return and_(invocations.c.owner == owner, invocations.c.function_id == function)


def _beside(table: Table, owner: str, id: str) -> ColumnElement[bool]:
    return and_(table.c.owner == owner, table.c.invocation_id == id)


def _open() -> ColumnElement[bool]:
    # In so many words: those of the index, which a parameter would hide.
    return invocations.c.state != literal_column("'done'")


def _body(invocation: Invocation) -> dict[str, Any]:
    body = invocation.to_dict()
    del body["result"], body["state"]
    return body


def _read(state: str, body: dict[str, Any], result: Any = None) -> Invocation:
    return Invocation.from_dict({**body, "state": state, "result": result})
