"""An insitu server as Python objects, on every operating system."""

from __future__ import annotations

from .asynchronous import AsyncClient as AsyncClient
from .batches import Batch as Batch
from .batches import BatchCall as BatchCall
from .batches import BatchItems as BatchItems
from .blocking import Client as Client
from .decorating import function as function
from .invocations import AsyncClientInvocation as AsyncClientInvocation
from .invocations import ClientInvocation as ClientInvocation
from .made import AsyncClientAnswer as AsyncClientAnswer
from .made import ClientAnswer as ClientAnswer
from .sessions import AsyncClientSession as AsyncClientSession
from .sessions import ClientSession as ClientSession
from .transport import DEFAULT_URL as DEFAULT_URL
