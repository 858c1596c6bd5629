"""What tokens cost: the price library's figures, the vault's own before them, local models nothing."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.model import Usage
from atomic_agents.core.values import Usd
from atomic_agents.vault.vault import Vault

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

PRICES_FILE = "prices.toml"
_MILLION = Decimal(1_000_000)
# What Anthropic asks for writing its cache, the dearest of its kind; the library does not know it for every model.
_CACHE_WRITE = Decimal("1.25")
# What the dearest models that are sold by the token have asked for.
_DEAREST = (Decimal(150), Decimal(600))


_FREE = ("embedded:", "local:", "ollama:", "lmstudio:", "llamacpp:", "scripted:")


def is_free(model_id: str) -> bool:
    """Whether a model runs on this machine and costs nothing, told by its id, without opening it."""
    return model_id.startswith(_FREE)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD for a million tokens, as the operator states them."""

    input: Usd
    output: Usd


@dataclass(frozen=True, slots=True)
class Listed:
    """What a model costs, in USD for a million tokens, who says so, and how many tokens it takes (None: unknown)."""

    input: Usd
    output: Usd
    cache_read: Usd
    cache_write: Usd
    source: str
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices for one vault; `own` holds what its `prices.toml` says, by model id."""

    own: Mapping[str, Rates] = field(default_factory=dict)

    def cost(self, model_id: str, usage: Usage, *, local: bool = False) -> Usd | None:
        """What a request cost, or None where nobody knows the model's price."""
        if local:
            return Decimal(0)
        bare = model_id.partition(":")[2] or model_id
        rates = self.own.get(model_id) or self.own.get(bare)
        if rates is not None:
            return (usage.input_tokens * rates.input + usage.output_tokens * rates.output) / _MILLION
        return _library_cost(model_id, usage)

    def listed(self, model_id: str) -> Listed | None:
        """What a request of ordinary length costs, None where nobody knows the model's price."""
        if is_free(model_id):
            nothing = Decimal(0)
            return Listed(nothing, nothing, nothing, nothing, "this machine")
        plain, read, write = (
            self.cost(model_id, Usage(1000, cache_read_tokens=read, cache_write_tokens=write))
            for read, write in ((0, 0), (1000, 0), (0, 1000))
        )
        said = self.cost(model_id, Usage(output_tokens=1000))
        if plain is None or read is None or write is None or said is None:
            return None
        source = PRICES_FILE if {model_id, model_id.partition(":")[2]} & self.own.keys() else "genai-prices"
        return Listed(plain * 1000, said * 1000, read * 1000, write * 1000, source, _context(model_id))

    def assumed(self, usage: Usage) -> Usd:
        """What a request cost at most, where nobody knows the price: as much as with the dearest model."""
        own = self.own.values()
        dearest_input = max([_DEAREST[0], *(rates.input for rates in own)])
        dearest_output = max([_DEAREST[1], *(rates.output for rates in own)])
        return (usage.input_tokens * dearest_input * _CACHE_WRITE + usage.output_tokens * dearest_output) / _MILLION

    def most(self, model_id: str, *, input_tokens: int, output_tokens: int, local: bool = False) -> Usd | None:
        """The most a request can cost: every input token written to the cache, every output token used."""
        written = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        plain = self.cost(model_id, written, local=local)
        only_output = self.cost(model_id, Usage(output_tokens=output_tokens), local=local)
        if plain is None or only_output is None:
            return None
        return only_output + (plain - only_output) * _CACHE_WRITE


def load(vault: Vault) -> Prices:
    """Read the vault's `prices.toml`: a table for each model id with `input` and `output` in USD for a million tokens.

    Raises:
        DocumentUnreadable: it does not parse, or a figure is not a sum of money.
    """
    blob = vault.store.read(PRICES_FILE)
    if blob is None:
        return Prices()
    try:
        text = blob.data.decode()
        tables = tomllib.loads(text)
        for line, key, value in _odd_prices(text):
            raise _unreadable(line, f"{key} is {value}; a number in USD is needed", f"write {key} = 1.25")
        own = {model: Rates(_usd(rates["input"]), _usd(rates["output"])) for model, rates in tables.items()}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        hint = 'write for each model: ["model-id"] with input = 1.25 and output = 10.0 below it'
        found = re.search(r"\(at line (\d+),", str(error))
        raise _unreadable(int(found[1]) if found else 0, f"cannot be read: {error}", hint) from error
    return Prices(own)


def _unreadable(line: int, message: str, hint: str) -> DocumentUnreadable:
    where = f"{PRICES_FILE}:{line}" if line else PRICES_FILE
    context = {"path": PRICES_FILE, "line": line, "message": message}
    return DocumentUnreadable(f"{where}: {message}", hint=hint, context=context)


_PRICE = re.compile(r"""(?<![\w-])(["']?)(input|output)\1\s*=\s*([^\s,}#]+)|"(?:[^"\\]|\\.)*"|'[^']*'|\#.*""")
_PLAIN_PRICE = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def _odd_prices(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, key and value of each price that is no plain decimal, though TOML may read it: 1_0, 0x10, 1e3."""
    for number, line in enumerate(text.split("\n"), 1):
        for found in _PRICE.finditer(line):
            if found[2] and not _PLAIN_PRICE.fullmatch(found[3]):
                yield number, found[2], found[3]


def is_retired(model_id: str) -> bool:
    """Whether its provider has withdrawn a model, as far as the price library knows."""
    if is_free(model_id):
        return False
    found = _looked_up(model_id, Usage(input_tokens=1))
    return found is not None and bool(found.model.deprecated)


def _usd(value: object) -> Usd:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1_000_000:
        raise ValueError(f"{value!r} is not a price")
    return Decimal(str(value))


def _library_cost(model_id: str, usage: Usage) -> Usd | None:
    found = _looked_up(model_id, usage)
    return None if found is None else found.total_price


def _looked_up(model_id: str, usage: Usage) -> "PriceCalculation | None":
    import genai_prices  # noqa: PLC0415 - 0.2 s that a run on a local model need not pay

    provider, colon, bare = model_id.partition(":")
    # Servers that count what they cached apart would make the whole smaller than its parts.
    whole = max(usage.input_tokens, usage.cache_read_tokens + usage.cache_write_tokens)
    counted = genai_prices.Usage(
        input_tokens=whole,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        return genai_prices.calc_price(counted, bare if colon else model_id, provider_id=provider if colon else None)
    except LookupError:
        return None


def _context(model_id: str) -> int | None:
    """The tokens that a model takes, as far as the library knows."""
    from genai_prices import data_snapshot  # noqa: PLC0415 - as above

    provider, colon, bare = model_id.partition(":")
    try:
        found = data_snapshot.get_snapshot().find_provider_model(
            bare if colon else model_id, None, provider if colon else None, None
        )
    except LookupError:
        return None
    return found[1].context_window
