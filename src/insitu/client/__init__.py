"""An insitu server as Python objects, on every operating system."""

from __future__ import annotations

from .asynchronous import AsyncClient as AsyncClient
from .asynchronous import AsyncClientSession as AsyncClientSession
from .blocking import Client as Client
from .blocking import ClientSession as ClientSession
from .decorating import function as function
from .made import AsyncClientAnswer as AsyncClientAnswer
from .made import ClientAnswer as ClientAnswer
from .transport import DEFAULT_URL as DEFAULT_URL
