"""Conversations: items that responses add to and go on from."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from openai.types.responses import ResponseIncludable
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...store import Conversation, Item, Store, new_id
from ...web.fields import Strict
from ...web.openapi import takes
from ...web.parameters import BadParameter
from ...web.service import Service, owner_of
from ...web.shapes import Json, Metadata
from ...web.wire import DESCRIPTION_BYTES, INLINE_BYTES, json_answer, read_json
from .description import answers
from .items import normalize_input, shown
from .paging import Deleted, Include, ListObject, PageQuery, listed

_MOST_ITEMS = 20

Items = Annotated[list[Any], Field(max_length=_MOST_ITEMS, description="items of the kinds that responses take")]


class CreateConversation(Strict):
    """A conversation to make; everything may be left out."""

    items: Items | None = None
    metadata: Metadata | None = None


class UpdateConversation(Strict):
    """What to change of a conversation."""

    metadata: Metadata | None = Field(description="takes the place of all metadata")


class AddItems(Strict):
    """Items to add to the end of a conversation."""

    items: Items


class ItemsQuery(PageQuery):
    """Which of the items are asked for, and what is to be shown of them."""

    include: tuple[ResponseIncludable, ...] = Field(
        (), alias="include[]", description="what to show beside what always is"
    )


class ConversationObject(BaseModel):
    """A conversation, without its items."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: dict[str, str]


def routes(service: Service) -> APIRouter:
    """The routes of conversations and their items."""
    router = APIRouter(prefix="/v1/conversations", tags=["openai"])
    _add_conversations(router, service)
    _add_items(router, service)
    return router


def _add_conversations(router: APIRouter, service: Service) -> None:
    @router.post("", openapi_extra=takes(CreateConversation), **answers(ConversationObject))
    async def create_conversation(request: Request) -> Response:
        """Make a conversation."""
        asked = await read_json(request, CreateConversation, _cap(service))
        owner = owner_of(request)
        items = await _normalized(service.store, owner, asked.items or [])
        record = Conversation(new_id("conv_"), owner, time.time(), asked.metadata or {})
        await service.store.conversations.create(record, items)
        return json_answer(_shown(record))

    @router.get("/{conversation_id}", **answers(ConversationObject))
    async def retrieve_conversation(request: Request, conversation_id: str) -> Response:
        """One conversation, without its items."""
        return json_answer(_shown(await service.store.conversations.get(conversation_id, owner_of(request))))

    @router.post("/{conversation_id}", openapi_extra=takes(UpdateConversation), **answers(ConversationObject))
    async def update_conversation(request: Request, conversation_id: str) -> Response:
        """Replace a conversation's metadata."""
        asked = await read_json(request, UpdateConversation, DESCRIPTION_BYTES)
        owner, metadata = owner_of(request), asked.metadata or {}
        return json_answer(_shown(await service.store.conversations.update(conversation_id, owner, metadata)))

    @router.delete("/{conversation_id}", **answers(Deleted))
    async def delete_conversation(request: Request, conversation_id: str) -> Response:
        """Delete a conversation with its items; responses keep theirs."""
        await service.store.conversations.delete(conversation_id, owner_of(request))
        return json_answer({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


def _add_items(router: APIRouter, service: Service) -> None:
    @router.post("/{conversation_id}/items", openapi_extra=takes(AddItems), **answers(ListObject[Json]))
    async def create_conversation_items(request: Request, conversation_id: str, include: Include = None) -> Response:
        """Add items to the end of a conversation."""
        asked = await read_json(request, AddItems, _cap(service))
        owner = owner_of(request)
        items = await _normalized(service.store, owner, asked.items)
        await service.store.conversations.append(conversation_id, owner, items)
        return json_answer(listed([shown(item, include or ()) for item in items], has_more=False))

    @router.get("/{conversation_id}/items", **answers(ListObject[Json]))
    async def list_conversation_items(
        request: Request, conversation_id: str, query: Annotated[ItemsQuery, Query()]
    ) -> Response:
        """A conversation's items."""
        found = await service.store.conversations.items(conversation_id, owner_of(request), query.page)
        return json_answer(listed([shown(item, query.include) for item in found.data], has_more=found.has_more))

    @router.get("/{conversation_id}/items/{item_id}", **answers(Json))
    async def retrieve_conversation_item(
        request: Request, conversation_id: str, item_id: str, include: Include = None
    ) -> Response:
        """One item of a conversation."""
        item = await service.store.conversations.item(conversation_id, item_id, owner_of(request))
        return json_answer(shown(item, include or ()))

    @router.delete("/{conversation_id}/items/{item_id}", **answers(ConversationObject))
    async def delete_conversation_item(request: Request, conversation_id: str, item_id: str) -> Response:
        """Take an item out of a conversation."""
        owner = owner_of(request)
        await service.store.conversations.remove(conversation_id, item_id, owner)
        return json_answer(_shown(await service.store.conversations.get(conversation_id, owner)))


async def _normalized(store: Store, owner: str, items: list[Any]) -> list[Item]:
    try:
        return await normalize_input(store, owner, items)
    except BadParameter as exc:
        # It speaks of a response's input; here it is called otherwise.
        exc.param, exc.message = (text.replace("input[", "items[") for text in (exc.param, exc.message))
        raise


def _cap(service: Service) -> int:
    return min(service.settings.upload_bytes, INLINE_BYTES)


def _shown(record: Conversation) -> Json:
    return {
        "id": record.id,
        "object": "conversation",
        "created_at": int(record.created),
        "metadata": record.metadata,
    }
