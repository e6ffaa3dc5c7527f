"""Law 1 in the source: who may import whom, and whose tables a service's SQL names."""

import ast
import re
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")
SCHEMAS = (*SERVICES, "bus", "keycloak", "public", "pg_temp")
_QUALIFIED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|REFERENCES|ONLY|TRUNCATE|COPY)\s+\"?(?:"
    + "|".join(SCHEMAS)
    + r")\"?\s*\.\s*\"?\w",
    re.IGNORECASE,
)


def sources(name: str) -> list[Path]:
    return [path for path in (ROOT / "services" / name).rglob("*.py") if "tests" not in path.parts]


def statements(path: Path) -> list[str]:
    """Every text constant that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


def test_the_import_contracts_are_kept(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    status = cli.lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_the_contracts_see_every_service():
    text = (ROOT / ".importlinter").read_text(encoding="utf-8")
    present = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())
    assert present == sorted(SERVICES)
    assert all(f"services.{name}" in text for name in SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_no_statement_of_a_service_names_a_schema(name):
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in sources(name)
        for statement in statements(path)
        if (match := _QUALIFIED.search(statement))
    ]
    assert not found, "SQL must not name a schema: the search path decides\n" + "\n".join(found)


@pytest.mark.parametrize("name", SERVICES)
def test_no_table_of_a_service_is_bound_to_a_schema(name):
    found = []
    for path in sources(name):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for keyword in node.keywords
                    if keyword.arg == "schema" and isinstance(keyword.value, ast.Constant) and keyword.value.value
                ]
    assert not found


def test_the_search_for_schemas_finds_what_it_looks_for():
    assert _QUALIFIED.search("SELECT 1 FROM payments.payment")
    assert _QUALIFIED.search('insert into "registry" . person')
    assert not _QUALIFIED.search("SELECT now() FROM payment p JOIN lateral f(p.id) ON true")


def test_nothing_in_the_tree_calls_another_service_by_http():
    """Services talk by events only (law 2): no settings field holds a neighbour's address."""
    for name in SERVICES:
        for path in sources(name):
            text = path.read_text(encoding="utf-8")
            for other in set(SERVICES) - {name}:
                assert f"{other}_url" not in text, f"{path.relative_to(ROOT)} knows where {other} is"
                assert not re.search(rf"[\"'](?:https?://[^\"']*)?/{other}/v\d", text), path.relative_to(ROOT)
