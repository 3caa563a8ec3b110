"""Every exception that insitu raises on purpose, in one tree.

    InsituError
    ├── CallerError                 what was asked for cannot be done; asking differently can help
    │   ├── InvalidRequest          malformed, or a value out of its range
    │   │   ├── OverCeiling         a limit over what the operator allows
    │   │   └── IsFolder            a path of a folder, where a file is meant
    │   ├── Unauthorized            no key, or an unknown one
    │   ├── Forbidden               a web page of another origin, or a host name that is not ours
    │   ├── NotFound                gone, never there, or someone else's
    │   │   ├── SessionNotFound
    │   │   └── FileMissing
    │   ├── PathRefused             a path that leads out of the workspace
    │   ├── TooLarge                more bytes than the operator allows
    │   ├── WorkspaceFull           the session's disk limit is reached
    │   ├── Conflict                there already, or still in use
    │   ├── InvocationFailed        a function that was called as if it were here did not return
    │   ├── QuotaExceeded           the caller's own share is used up; try again later
    │   └── UpstreamRefused         the model server finds fault with the request
    └── ServiceError                the service cannot do its part
        ├── Unforeseen              a defect of insitu; the server's log says more
        ├── ServerFull              no room now; try again later
        ├── SandboxFailed           a sandbox could not be made, or died by itself
        ├── IsolationUnavailable    this machine lacks a layer of the wall
        ├── StoreFailed             what must last cannot be read or written
        ├── NoUpstream              there is no model server to ask
        ├── UpstreamFailed          the model server did not do its part
        │   ├── UpstreamBusy        it has no room now
        │   └── UpstreamTimeout     it was silent for too long
        ├── AnswerFailed            a turn broke off in the midst of its answer
        ├── ServerUnreachable       a client found no server, or the connection broke
        └── EngineClosed            used after it was closed

What user code does wrong is a value, in an execution's ``outcome`` and ``error``. Only where a function is called as
if it were one of the program's own, an exception stands for it: ``InvocationFailed``.
"""

from __future__ import annotations

from .caller import Conflict as Conflict
from .caller import FileMissing as FileMissing
from .caller import Forbidden as Forbidden
from .caller import InvalidRequest as InvalidRequest
from .caller import InvocationFailed as InvocationFailed
from .caller import IsFolder as IsFolder
from .caller import NotFound as NotFound
from .caller import OverCeiling as OverCeiling
from .caller import PathRefused as PathRefused
from .caller import QuotaExceeded as QuotaExceeded
from .caller import SessionNotFound as SessionNotFound
from .caller import TooLarge as TooLarge
from .caller import Unauthorized as Unauthorized
from .caller import UpstreamRefused as UpstreamRefused
from .caller import WorkspaceFull as WorkspaceFull
from .caller import exact as exact
from .root import CallerError as CallerError
from .root import InsituError as InsituError
from .root import ServiceError as ServiceError
from .service import AnswerFailed as AnswerFailed
from .service import EngineClosed as EngineClosed
from .service import IsolationUnavailable as IsolationUnavailable
from .service import NoUpstream as NoUpstream
from .service import SandboxFailed as SandboxFailed
from .service import ServerFull as ServerFull
from .service import ServerUnreachable as ServerUnreachable
from .service import StoreFailed as StoreFailed
from .service import UpstreamBusy as UpstreamBusy
from .service import UpstreamFailed as UpstreamFailed
from .service import UpstreamLoops as UpstreamLoops
from .service import UpstreamTimeout as UpstreamTimeout
from .unforeseen import Unforeseen as Unforeseen
from .unforeseen import foreseen as foreseen
