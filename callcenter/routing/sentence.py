"""The little language in which a provider writes its own first sentence: names, choices and letters' case.

A sentence is filled in between ring and screen, so that nothing may stand in it which could take long or grow: no loop,
no arithmetic, no call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES: Final = ("brand", "agent", "hello", "time_of_day", "language")
FILTERS: Final = ("upper", "lower", "capitalize", "title", "trim", "default")
_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.If, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Filter, nodes.Test, nodes.Dict, nodes.Pair,
    nodes.List, nodes.Tuple, nodes.Getitem,
)  # fmt: skip
_SANDBOX: Final = ImmutableSandboxedEnvironment(autoescape=False)  # the page escapes the sentence as a whole


@lru_cache(maxsize=1000)
def sentence_template(source: str) -> Template:
    """A sentence ready to be filled with ``NAMES``. Raises ``ValueError`` that says what may not stand in it."""
    try:
        tree = _SANDBOX.parse(source)
        for node in tree.find_all(nodes.Node):
            _check(node)
        return _SANDBOX.from_string(source)
    except TemplateSyntaxError as exc:
        raise ValueError(f"is not a template: {exc.message}") from None
    except RecursionError:
        raise ValueError("is not a template: too deep") from None


def _check(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        raise ValueError(f"may not hold {type(node).__name__.lower()}: names, if and {', '.join(FILTERS)} only")  # noqa: TRY004  # it is the operator's text that is wrong
    if isinstance(node, nodes.Name) and node.name not in NAMES:
        raise ValueError(f"knows no {node.name}: there are {', '.join(NAMES)}")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise ValueError(f"knows no filter {node.name}: there are {', '.join(FILTERS)}")
