"""Front matter of any form, as libyaml reads it: slower than `frontmatter.py`, and 10 ms to import."""

import re

import yaml
from yaml.constructor import SafeConstructor

from atomic_agents.core.block import MAX_DEPTH, MAX_DIGITS, MAX_VALUES, FrontMatter, FrontMatterError, Span

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAP, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|-?\.[0-9]+")
_ODD = (ValueError, TypeError, OverflowError, AttributeError, LookupError)
"""What PyYAML raises for a value that does not fit its tag."""
_OPENINGS = ("[", "{", "- ", "? ", "-\t", "?\t")


def read(text: str) -> FrontMatter:
    """Read a block of any form; raises FrontMatterError."""
    loader = _Loader(text)
    root: object = None
    try:
        _check_depth(text)
        root = loader.get_single_node()
        if root is None:
            return FrontMatter({}, {})
        if not isinstance(root, yaml.MappingNode) or root.tag != _MAP:
            raise FrontMatterError("front matter is not a list of `key: value` lines", root.start_mark.line + 1)
        _weigh(root, {})
        _keep_odd_numbers(root)
        spans = _spans(root)
        values = loader.construct_document(root)
        names = _odd_names(root)
    except yaml.YAMLError as error:
        raise FrontMatterError(f"front matter is not YAML: {_said(error)}", _line_of(error, text)) from error
    except _ODD as error:
        why = f": {error}" if isinstance(error, ValueError) else ""
        raise FrontMatterError(f"front matter has a value that YAML cannot read{why}", _unreadable(root)) from error
    finally:
        loader.dispose()
    named = {names.get(key, str(key)): value for key, value in values.items()}
    return FrontMatter(named, {name: span for name, span in spans.items() if name in named})


def _keep_odd_numbers(root: yaml.Node) -> None:
    """Have numbers that are no plain decimals stay the text they are written as.

    YAML 1.1 reads 010 as 8, 1:30 as 90 and 1_0 as 10, which nobody means who writes a sum of money or a name.
    """
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.CollectionNode) and id(node) not in seen:
            seen.add(id(node))
            nodes += _children(node)
        elif isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and not _DECIMAL.fullmatch(node.value):
            as_written = yaml.resolver.Resolver().resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
            node.tag = _STR if as_written in _NUMBERS else node.tag


def written(text: str, key: str) -> list[str]:
    """The scalars of a key, or of the list below it, as they are written, in a block that `read` accepts."""
    root = yaml.compose(text, Loader=_Loader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    value = next((value for name, value in reversed(pairs) if name.value == key), None)
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    return [str(node.value) for node in nodes if isinstance(node, yaml.ScalarNode)]


def line_of(text: str, *keys: str) -> int:
    """The line, from 1, of the innermost of nested `keys` that is there, in a block that `read` accepts; 0 for none."""
    line, node = 0, yaml.compose(text, Loader=_Loader)
    for name in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        key, node = next(((key, value) for key, value in reversed(pairs) if key.value == name), (None, None))
        if key is None:
            break
        line = key.start_mark.line + 1
    return line


def repeated(text: str) -> list[tuple[str, int]]:
    """Keys that one mapping states twice, at any depth, and the line, from 1, of each repetition."""
    found: list[tuple[str, int]] = []
    nodes = [yaml.compose(text, Loader=_Loader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                name = str(key.value)
                found += [(name, key.start_mark.line + 1)] if name in seen else []
                seen.add(name)
        nodes += _children(node) if isinstance(node, yaml.CollectionNode) else []
    return sorted(found, key=lambda each: each[1])


def _said(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)


def _line_of(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    position = getattr(error, "position", None)
    return text.encode()[:position].count(b"\n") + 1 if isinstance(position, int) else 1


def _unreadable(root: object) -> int:
    """The line of the first entry whose value cannot be made."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else []:
        try:
            SafeConstructor().construct_document(yaml.SequenceNode("tag:yaml.org,2002:seq", [key, value]))
        except (yaml.YAMLError, *_ODD):
            return int(key.start_mark.line) + 1
    return 1


def _odd_names(root: yaml.MappingNode) -> dict[object, str]:
    """The keys that are not text, and the text each is written with."""
    keys = [key for key, _ in root.value if key.tag != _STR and isinstance(key, yaml.ScalarNode)]
    return {SafeConstructor().construct_document(key): str(key.value) for key in keys}


def _check_depth(text: str) -> None:
    """Refuse what overflows libyaml's stack: nesting on one line. A text with few openings is not looked at twice."""
    if sum(map(text.count, _OPENINGS)) <= MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FrontMatterError(f"front matter is nested more than {MAX_DEPTH} deep", line)


def _weigh(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int = 1) -> tuple[int, int]:
    """How many values a node stands for with its aliases written out, and how deep they are nested."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
            raise FrontMatterError(f"front matter has a number of {len(node.value):,} digits", line)
        return 1, 1
    if id(node) in known:
        if known[id(node)] == (0, 0):
            raise FrontMatterError("front matter has a value that contains itself", line)
        return known[id(node)]
    known[id(node)] = (0, 0)
    weight, height = 1, 0
    for child in _children(node) if depth <= MAX_DEPTH else ():
        inner, below = _weigh(child, known, depth + 1)
        weight, height = weight + inner, max(height, below)
    if depth > MAX_DEPTH or height >= MAX_DEPTH:
        raise FrontMatterError(f"front matter is nested more than {MAX_DEPTH} deep", line)
    if weight > MAX_VALUES:
        raise FrontMatterError(f"front matter stands for more than {MAX_VALUES:,} values", line)
    known[id(node)] = weight, height + 1
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]


def _spans(root: yaml.MappingNode) -> dict[str, Span]:
    """Lines of each entry; an entry that shares a line with its neighbour is left out."""
    spans: dict[str, Span] = {}
    shared: set[str] = set()
    last_end, last_key = 0, ""
    for key, value in root.value:
        name = str(key.value)
        span = (
            key.start_mark.line,
            max(_last_line(value), key.end_mark.line) + 1,
        )  # an alias ends where its anchor does
        if root.flow_style or span[0] < last_end:
            shared |= {name, last_key}
        spans[name] = span
        last_end, last_key = span[1], name
    return {name: span for name, span in spans.items() if name not in shared}


def _last_line(node: yaml.Node) -> int:
    if isinstance(node, yaml.ScalarNode):
        if node.style in ("|", ">"):
            return max(node.start_mark.line, node.end_mark.line - 1)
        return int(node.end_mark.line)
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.line)
    return max(map(_last_line, _children(node)), default=int(node.start_mark.line))
