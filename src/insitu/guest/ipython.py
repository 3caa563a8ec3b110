"""IPython, where the environment has it, as the giver of transformation, magics and formatters."""

from __future__ import annotations

import ast
import atexit
import builtins
import importlib
import re
import sys
import warnings
from types import ModuleType
from typing import Any

from . import display, ipython_shell, shell

_FIRST_WORD = re.compile(r"[ \t]*([A-Za-z_]\w*)")


class IPython:
    """Gives a shell what IPython knows; the cells themselves are run by the shell.

    Args:
        module: the user's `__main__`.

    Raises:
        ImportError: there is no IPython, or it cannot be used.
    """

    def __init__(self, module: ModuleType) -> None:
        self._shell = _create(module)
        self._namespace = module.__dict__
        self._magics = self._shell.magics_manager.magics["line"]
        self._transformers = self._count_transformers()
        history = self._shell.history_manager
        self.inputs: list[str] = history.input_hist_parsed
        self._raw_inputs: list[str] = history.input_hist_raw
        self.outputs: dict[int, Any] = history.output_hist

    def rewrite(self, source: str) -> str:
        """Return what is to be parsed in the place of the source: mostly the source."""
        if self._count_transformers() != self._transformers or self._is_bare_magic(source):
            return self.transform(source)
        return source

    def transform(self, source: str) -> str:
        """Return source that did not parse with its shell and magic lines as Python."""
        transformed: str = self._shell.transform_cell(source)
        return transformed

    def tree(self, tree: ast.Module) -> ast.Module:
        """Return what is to be compiled in the place of the tree."""
        if not self._shell.ast_transformers:
            return tree
        transformed: ast.Module = self._shell.transform_ast(tree)
        return transformed

    def bundle(self, value: Any) -> display.Bundle:
        """Return the MIME bundle of a value, empty if the value has shown itself."""
        data: display.Bundle = self._shell.display_formatter.format(value)[0]
        return data

    def before(self, number: int, source: str) -> None:
        """Tell IPython and its extensions that a cell begins."""
        self._shell.execution_count = number
        self._raw_inputs[number:] = [source]
        self._trigger("pre_execute")
        self._trigger("pre_run_cell", source)

    def after(self) -> None:
        """Tell IPython and its extensions that the cell has ended."""
        self._trigger("post_execute")
        self._trigger("post_run_cell", "")

    def _trigger(self, event: str, *source: str) -> None:
        if self._shell.events.callbacks[event]:
            self._shell.events.trigger(event, *(_Info(text) for text in source))

    def _count_transformers(self) -> tuple[int, ...]:
        manager = self._shell.input_transformer_manager
        return (
            len(manager.cleanup_transforms),
            len(manager.line_transforms),
            len(manager.token_transformers),
            len(self._shell.input_transformers_post),
        )

    def _is_bare_magic(self, source: str) -> bool:
        """Whether the cell is one line like `ls -l`: a magic without its mark, which may parse as Python."""
        word = _FIRST_WORD.match(source)
        if word is None or word[1] not in self._magics or "\n" in source.strip():
            return False
        return word[1] not in self._namespace and not hasattr(builtins, word[1])


class _Info:
    """What callbacks of `pre_run_cell` and `post_run_cell` may look at."""

    success = True
    result = error_before_exec = error_in_exec = None
    store_history = shell_futures = True
    silent = False
    cell_id = None

    def __init__(self, raw_cell: str) -> None:
        self.raw_cell = self.transformed_cell = raw_cell
        self.info = self


def _create(module: ModuleType) -> Any:
    version = importlib.import_module("IPython").version_info
    if version < (8,):
        raise ImportError("IPython is older than 8")
    displayed = sys.displayhook
    try:
        created = ipython_shell.make_class().instance(
            user_module=module,
            config=_config(),
            colors="nocolor" if version >= (9,) else "NoColor",
            autoindent=False,
        )
    except Exception:
        sys.displayhook = displayed
        raise
    _settle(created)
    _register_magics(created)
    return created


def _config() -> Any:
    config: Any = importlib.import_module("traitlets.config").Config()
    config.HistoryManager.enabled = False  # neither a database nor a thread
    config.HistoryManager.hist_file = ":memory:"
    return config


def _settle(created: Any) -> None:
    """Undo what is meant for a terminal, and keep the traps set that IPython sets around each cell."""
    atexit.unregister(created.atexit_operations)
    for name in ("ps1", "ps2", "ps3"):
        if hasattr(sys, name):
            delattr(sys, name)
    created.user_ns.pop("__builtin__", None)
    if hasattr(created, "_clear_warning_registry"):
        created.events.unregister("pre_execute", created._clear_warning_registry)
    vars(builtins)["get_ipython"] = created.get_ipython
    created.builtin_trap._nested_level = 1
    sys.displayhook = created.displayhook
    created.display_trap._nested_level = 1
    formatters = importlib.import_module("IPython.core.formatters")
    warnings.filterwarnings("ignore", category=formatters.FormatterWarning)
    page = importlib.import_module("IPython.core.page")
    created.set_hook("show_in_pager", page.as_hook(page.display_page), 90)
    display.show = importlib.import_module("IPython.display").display


def _register_magics(created: Any) -> None:
    for name in ("bash", "sh"):
        created.register_magic_function(_script_magic(created, name), "cell", name)

    def pip(line: str) -> None:
        created.user_ns["_exit_code"] = shell.pip(created.var_expand(line, depth=1))

    created.register_magic_function(pip, "line", "pip")
    # So that `%config InlineBackend.figure_format = …`, which many notebooks begin with, is no error.
    created.configurables.append(_inline_backend()(parent=created))


def _inline_backend() -> Any:
    traitlets: Any = importlib.import_module("traitlets")
    base = importlib.import_module("traitlets.config").Configurable
    names = ("figure_format", "figure_formats", "print_figure_kwargs", "rc", "close_figures")
    return type("InlineBackend", (base,), {name: traitlets.Any().tag(config=True) for name in names})


def _script_magic(created: Any, name: str) -> Any:
    def script(line: str, cell: str) -> None:
        if line.strip():  # its options are IPython's own
            created.run_cell_magic("script", f"{name} {line}", cell)
        else:
            created.user_ns["_exit_code"] = code = shell.run([name, "-s"], cell)
            shell.check(name, code)

    return script
