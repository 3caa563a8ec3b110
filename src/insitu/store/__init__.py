"""What must last: records in SQLite, bytes in a folder. No HTTP, no model."""

from __future__ import annotations

from .blobs import StoredBytes as StoredBytes
from .failures import missing as missing
from .items import Admit as Admit
from .records import ContainerFile as ContainerFile
from .records import ContainerRecord as ContainerRecord
from .records import Conversation as Conversation
from .records import EventsRecord as EventsRecord
from .records import FileDetails as FileDetails
from .records import FileRecord as FileRecord
from .records import Item as Item
from .records import Listing as Listing
from .records import Page as Page
from .records import ResponseRecord as ResponseRecord
from .records import new_id as new_id
from .store import Store as Store
