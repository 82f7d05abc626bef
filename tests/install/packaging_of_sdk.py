"""The package `belfry` as strangers get it: installed from the build under test, with projects built on it."""

import functools
import os
import pathlib
import re
import subprocess
import tempfile

from conftest import BIN, ROOT

BUILD = BIN.parent
# Compilers are slow on a busy machine; a deadline is only there so that a hang becomes a failure.
PATIENCE = 1200

def run(command, **options):
    """Runs it to its end; its output is the failure's text."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{(result.stdout + result.stderr)[-8000:]}"
    return result.stdout

@functools.cache
def cache_variable(name):
    match = re.search(rf"^{name}:[A-Z]+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return match[1] if match else ""

@functools.cache
def installed():
    """The prefix of a fresh installation, which goes with the process."""
    installed.folder = tempfile.TemporaryDirectory(prefix="belfry-package.")
    run(["cmake", "--install", str(BUILD), "--prefix", installed.folder.name, "--component", "sdk"])
    return pathlib.Path(installed.folder.name)

def environment():
    """What makes a plain `cmake` build like the libraries in the package: they may hold sanitizers, which everything must then."""
    sanitizers = cache_variable("BELFRY_SANITIZE")
    flags = cache_variable("CMAKE_CXX_FLAGS") + (f" -fsanitize={sanitizers}" if sanitizers else "")
    linker = " -fuse-ld=mold" if cache_variable("BELFRY_MOLD").endswith("mold") else ""
    return dict(os.environ, CMAKE_PREFIX_PATH=str(installed()), CXX=cache_variable("CMAKE_CXX_COMPILER"), CXXFLAGS=flags,
                LDFLAGS=flags + linker, CMAKE_GENERATOR="Ninja",
                CMAKE_CXX_COMPILER_LAUNCHER=cache_variable("CMAKE_CXX_COMPILER_LAUNCHER"))

def build(source, out):
    run(["cmake", "-S", str(source), "-B", str(out)], env=environment())
    run(["cmake", "--build", str(out)], env=environment())
