"""The pages by name: what each shows, and how they link to each other, live or as files."""

import os
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from urllib.parse import quote, urlencode

from atomic_agents.web.dashboard import draw
from atomic_agents.web.dashboard.look import Look

View = Callable[[Look, Mapping[str, str]], Mapping[str, object]]
Href = Callable[..., str]
"""`href("agent", name="scout")`; "" where a page is not there to be linked to."""


# page: (module beside this one, view); a module is imported when its page is asked for.
PAGES: Mapping[str, tuple[str, str]] = {
    "index": ("overview", "now"),
    "agents": ("overview", "agents"),
    "agent": ("overview", "agent"),
    "runs": ("happened", "runs"),
    "run": ("happened", "run"),
    "cost": ("money", "cost"),
    "cap": ("money", "cap"),
    "memory": ("remembered", "memory"),
    "notes": ("remembered", "notes"),
    "note": ("mind", "note"),
    "lint": ("mind", "lint"),
    "undo": ("mind", "undo"),
    "wiki": ("mind", "pages"),
    "journal": ("mind", "days"),
    "conversations": ("mind", "talks"),
    "dream": ("mind", "dream"),
    "approval": ("asked", "approval"),
    "upgrade": ("upkeep", "upgrade"),
}


def live_href(page: str, /, **query: object) -> str:
    """The address of a page on a server."""
    stated = urlencode({key: value for key, value in query.items() if value not in ("", None)}, quote_via=quote)
    return f"/{'' if page == 'index' else page}{'?' if stated else ''}{stated}"


def file_of(page: str, /, **query: object) -> str:
    """The file of a page in a static export; the values that tell it from others are in its name."""
    values = [
        quote(str(value), safe=" ").replace("%", "~").replace(" ", "~20")
        for value in query.values()
        if value not in ("", None)
    ]
    return f"{'-'.join([page, *values])}.html"


def static_href(files: Collection[str]) -> Href:
    """Links between the files of an export."""

    def href(page: str, /, **query: object) -> str:
        name = file_of(page, **query)
        return name if name in files else ""

    return href


def drawn(look: Look, page: str, query: Mapping[str, str], href: Href, **values: object) -> str:
    """A page as HTML."""
    module, name = PAGES[page]
    view: View = getattr(import_module(f"atomic_agents.web.dashboard.{module}"), name)
    found = view(look, query)
    return draw.render(
        f"{page}.html",
        _compiled(look),
        **{**found, "look": look, "today": look.today, "page_name": page, "href": href, **values},
    )


def _compiled(look: Look) -> str:
    """Where templates are kept once they are compiled; "" where nothing can be kept."""
    folder = look.workspace.config.cache_dir / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""
