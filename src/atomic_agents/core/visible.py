"""Text of strangers, made safe to look at."""


def visible(text: str) -> str:
    """A line with every sign spelled out that cannot be seen, turns the text around, or is obeyed by a terminal."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text
    )
