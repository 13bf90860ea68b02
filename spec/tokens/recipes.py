"""Recipes: how a test mints a token that ends on a given rung. They are data of the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import Attribute, field, fields, frozen
from attrs.validators import deep_iterable, in_, instance_of, optional

from spec.tokens.mangles import ENCODINGS, MANGLES
from spec.tokens.needs import NEEDS
from spec.tokens.policy import STEPS
from spec.tokens.problems import RecipeProblem
from spec.tokens.shapes import SHAPES
from spec.tokens.signers import SIGNERS

__all__ = ["Recipe", "RecipeProblem", "read_recipes"]

PARTS = ("header", "claims")

_Validator = Callable[[Any, "Attribute[Any]", Any], None]


def _names() -> _Validator:
    return deep_iterable(instance_of(str), instance_of(tuple))


def _by_part(vocabulary: Iterable[str]) -> _Validator:
    known = tuple(vocabulary)

    def check(recipe: object, attribute: Attribute[Any], value: Mapping[str, object]) -> None:
        _members(recipe, attribute, value)
        for part, name in value.items():
            if part not in PARTS or name not in known:
                raise RecipeProblem(f"`{attribute.name}` does not know {part}: {name}")

    return check


def _members(recipe: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, Mapping):
        raise RecipeProblem(f"`{attribute.name}` is no object of members")


def _doubled(recipe: object, attribute: Attribute[Any], value: Mapping[str, object]) -> None:
    _members(recipe, attribute, value)
    if not set(value) <= set(PARTS) or not all(isinstance(members, Mapping) for members in value.values()):
        raise RecipeProblem("`doubled` has members of the header, of the claims, or of both")


@frozen(kw_only=True)
class Recipe:
    """How to mint one kind of token: edits of a valid one.

    Attributes:
        name: A short name in kebab-case.
        step: The rung on which the token ends, or `valid`.
        rules: The rules that a server breaks which judges it otherwise.
        level: `must` or `should`.
        needs: What a deployment must have for the recipe to mean something; see `spec.tokens.needs`.
        only: `message` where no header or query can carry the token.
        text: The whole token; nothing is minted.
        header: Members set in the header; values as in `spec.tokens.values`.
        drop_header: Members left out of the header.
        claims: Members set in the claims; the name `$subject` stands for the claim that names the subject.
        drop_claims: Members left out of the claims.
        doubled: By part, members written before the ones of the same name.
        shape: By part, how it is written; see `spec.tokens.shapes`.
        encoding: By part, how it is encoded; see `spec.tokens.mangles`.
        sign: Who signs; see `spec.tokens.signers`.
        mangle: What is done to the finished token; see `spec.tokens.mangles`.
        size: `limit` or `over`: filled up to the most characters allowed, or one more.
    """

    name: str = field(validator=instance_of(str))
    step: str = field(validator=in_((*STEPS[1:], "valid")))
    rules: tuple[str, ...] = field(validator=_names())
    level: str = field(default="must", validator=in_(("must", "should")))
    needs: tuple[str, ...] = field(default=(), validator=deep_iterable(in_(tuple(NEEDS))))
    only: str | None = field(default=None, validator=optional(in_(("message",))))
    text: str | None = field(default=None, validator=optional(instance_of(str)))
    header: Mapping[str, object] = field(factory=dict, validator=_members)
    drop_header: tuple[str, ...] = field(default=(), validator=_names())
    claims: Mapping[str, object] = field(factory=dict, validator=_members)
    drop_claims: tuple[str, ...] = field(default=(), validator=_names())
    doubled: Mapping[str, Mapping[str, object]] = field(factory=dict, validator=_doubled)
    shape: Mapping[str, str] = field(factory=dict, validator=_by_part(SHAPES))
    encoding: Mapping[str, str] = field(factory=dict, validator=_by_part(ENCODINGS))
    sign: str = field(default="own", validator=in_(tuple(SIGNERS)))
    mangle: str = field(default="none", validator=in_(tuple(MANGLES)))
    size: str | None = field(default=None, validator=optional(in_(("limit", "over"))))

    @property
    def points(self) -> bool:
        """Whether the token names a place where keys could be fetched."""
        return any(value == {"embed": "url"} for value in self.header.values())

    @classmethod
    def from_entry(cls, entry: Mapping[str, object]) -> Recipe:
        """Build a recipe from its entry in a document.

        Raises:
            RecipeProblem: A key or a value is none of the vocabulary; the text names the recipe and the key.
        """
        name = entry.get("name")
        unknown = sorted(set(entry) - {attribute.name for attribute in fields(cls)})
        if unknown:
            raise RecipeProblem(f"the recipe {name!r} has unknown keys: {', '.join(unknown)}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        try:
            return cls(**values)
        except (TypeError, ValueError) as problem:
            raise RecipeProblem(f"the recipe {name!r}: {problem.args[0]}") from None


def read_recipes(entries: Iterable[Mapping[str, object]]) -> tuple[Recipe, ...]:
    """Build recipes from a document's list.

    Raises:
        RecipeProblem: An entry is wrong, or two have one name.
    """
    built = tuple(Recipe.from_entry(entry) for entry in entries)
    seen: set[str] = set()
    for recipe in built:
        if recipe.name in seen:
            raise RecipeProblem(f"two recipes are named {recipe.name!r}")
        seen.add(recipe.name)
    return built
