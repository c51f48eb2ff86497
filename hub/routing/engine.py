"""The CEL engine: the compiled part of the package `cel` alone.

The package's own `__init__` also imports its interactive shell, which takes longer than everything else the hub loads
at its start, so the extension module is loaded from beside it.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType


def _extension() -> ModuleType:
    package = find_spec("cel")
    spec = package and PathFinder.find_spec("cel.cel", package.submodule_search_locations)
    if not spec or not spec.loader:
        raise ImportError("the package common-expression-language is not installed", name="cel")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cel = _extension()
