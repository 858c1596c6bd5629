"""bug-report."""

import os
from pathlib import Path

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, workspace
from atomic_agents.core.errors import StorageFailed
from atomic_agents.operations import bug_report


@click.command("bug-report")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Print what would be in it; write nothing.")
@common
def bug_report_command(file: Path | None, dry_run: bool, root: str | None) -> None:
    """A zip FILE with versions, doctor's findings, which settings are stated and the last errors; secrets blacked out.

    No text of a note, no prompt and no value of a setting is in it. Look at it before you send it: --dry-run prints it.
    """
    import zipfile  # noqa: PLC0415 - 8 ms that only this needs

    with workspace(root) as opened:
        parts = bug_report.gather(opened)
        target = file or Path(f"atomic-agents-bug-report-{opened.clock():%Y%m%d-%H%M%S}.zip")
    if dry_run:
        for name, data in parts.items():
            render.say(f"{name}:\n{data.decode()}".rstrip())
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StorageFailed(f"{target} is there already", hint="atomic-agents bug-report ANOTHER.zip") from None
    with os.fdopen(descriptor, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    for name, data in parts.items():
        render.say(f"{name:<14} {len(data):>7,} bytes")
    render.talk(f"{target}: no notes, no prompts, no keys; look at it before you send it")
