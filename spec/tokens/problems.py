"""What can be wrong with a recipe."""


class RecipeProblem(ValueError):
    """A recipe says what the vocabulary does not know, or what cannot be minted."""
