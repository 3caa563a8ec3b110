"""Warm sandboxes: what one invocation leaves behind for those that come after it"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

from insitu import AsyncClient
from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import NEIGHBOUR, Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving(Attack):
    """What an invocation leaves: by ``code``.

    Args:
        found: whether it is there, an expression.
    """

    found: str
    stopped_by: Layer = Layer.HOST

    @property
    def program(self) -> str:
        """A function that leaves it, or says whether it is there."""
        leave = indent(dedent(self.code).strip(), "        ")
        return f"{_IMPORTS}\ndef main(leave):\n    if leave:\n{leave}\n    return bool({self.found})\n"


_IMPORTS = "import builtins, gc, json, os, resource, signal, socket, sys, tempfile, threading, time"

LEAVINGS = (
    Leaving(
        what="leave a thread behind that goes on",
        code="threading.Thread(target=time.sleep, args=[60], daemon=True, name='left').start()",
        found="[thread for thread in threading.enumerate() if thread.name == 'left']",
    ),
    Leaving(
        what="leave a process behind that watches who comes",
        code="""
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
        """,
        found="set(name for name in os.listdir('/proc') if name.isdigit()) - {'1', str(os.getpid())}",
    ),
    Leaving(
        what="change a module that everybody uses",
        code="json.dumps, sys.modules['left'] = (lambda *given, **named: '\"left\"'), json",
        found="'left' in sys.modules or json.dumps(1) == '\"left\"'",
    ),
    Leaving(
        what="put a spy in the place of a built-in function",
        code="builtins.sorted = builtins.left = lambda *given: 'left'",
        found="hasattr(builtins, 'left') or sorted([]) == 'left'",
    ),
    Leaving(
        what="leave a file open, and one that nobody sees any more",
        code="""
        file = tempfile.TemporaryFile()
        file.write(b"left")
        file.flush()
        os.dup2(file.fileno(), 40)
        """,
        found="os.path.exists('/proc/self/fd/40')",
    ),
    Leaving(
        what="leave files in every folder that can be written",
        code="for folder in ('.', '/tmp', '/dev/shm'): open(f'{folder}/left', 'w').write('left')",
        found="[folder for folder in ('.', '/tmp', '/dev/shm') if os.path.exists(f'{folder}/left')]",
    ),
    Leaving(
        what="lower the limits and the priority under which others run",
        code="""
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        os.nice(5)
        """,
        found="resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 50 or os.nice(0) >= 5",
    ),
    Leaving(
        what="leave variables in the environment that others' programs obey",
        code="os.environ['LD_PRELOAD'] = os.environ['PYTHONSTARTUP'] = '/tmp/left'",
        found="'LD_PRELOAD' in os.environ or 'PYTHONSTARTUP' in os.environ",
    ),
    Leaving(
        what="leave handlers of signals and a timer",
        code="""
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.setitimer(signal.ITIMER_REAL, 30)
        """,
        found="callable(signal.getsignal(signal.SIGALRM)) or signal.getitimer(signal.ITIMER_REAL)[0]",
    ),
    Leaving(
        what="listen on a name and on a port for others' connections",
        code="""
        builtins.named = socket.socket(socket.AF_UNIX)
        named.bind("/tmp/left.sock")
        named.listen()
        """,
        found="os.path.exists('/tmp/left.sock')",
    ),
)


async def told(client: AsyncClient, name: str, leave: bool = False) -> bool:
    """Whether it is there."""
    invocation = await client.functions.invoke(name, leave)
    assert invocation.outcome == "ok", invocation
    return bool(invocation.result)


@tried(LEAVINGS)
async def test_what_an_invocation_leaves_reaches_its_own_version_at_the_most(stand: Stand, attack: Leaving) -> None:
    async with stand.unharmed(), stand.client() as client, stand.client(NEIGHBOUR) as neighbour:
        for each, name in ((client, "f"), (client, "g"), (neighbour, "f")):
            await each.functions.deploy(name, attack.program)
        assert await told(client, "f", leave=True)
        assert await told(client, "f")  # which docs/functions.md says
        assert [await told(client, "g"), await told(neighbour, "f")] == [False, False]
        # Code that only differs by a line is another version, and once more what was there is another's.
        await client.functions.deploy("f", f"{attack.program}\n#")
        assert not await told(client, "f")
        for each, name in ((client, "f"), (client, "g"), (neighbour, "f")):
            await each.functions.delete(name)
