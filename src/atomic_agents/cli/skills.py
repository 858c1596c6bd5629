"""skills."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.operations import skills
from atomic_agents.vault.skill import Skill


@click.group("skills", invoke_without_command=True)
@click.pass_context
def skills_command(ctx: click.Context) -> None:
    """Instructions for particular work, in the SKILL.md format."""
    show_help(ctx)


@skills_command.command("list")
@click.argument("agent")
@json_option
@common
def skills_list(agent: str, as_json: bool, root: str | None) -> None:
    """The skills of AGENT: the vault's, its role's, its own."""
    with workspace(root) as opened:
        found, misplaced = skills.list_skills(opened, agent), skills.list_misplaced(opened, agent)
    if as_json:
        render.say_json([_json(skill) for skill in found])
        return
    render.table([(each.name, each.folder, each.description) for each in found if each.sound], ("skill", "in", "for"))
    render.problems("warning", [problem for each in found for problem in each.problems] + misplaced)


@skills_command.command("validate")
@click.argument("agent")
@json_option
@common
def skills_validate(agent: str, as_json: bool, root: str | None) -> int:
    """Whether the skills of AGENT are sound. Exit code 1 where there is a problem."""
    with workspace(root) as opened:
        found, misplaced = skills.list_skills(opened, agent), skills.list_misplaced(opened, agent)
    problems = [problem for each in found for problem in each.problems] + misplaced
    if as_json:
        listed = [problem.as_json() for problem in problems]
        render.say_json({"skills": [_json(each) for each in found], "problems": listed, "ok": not problems})
        return int(bool(problems))
    for severity in ("error", "warning"):
        render.problems(severity, [problem for problem in problems if problem.severity == severity])
    verdict = f", {render.count(len(problems), 'problem')}" if problems else ": sound"
    render.say(f"{render.count(len(found), 'skill')}{verdict}" if found or problems else "it has no skills")
    return int(bool(problems))


def _json(skill: Skill) -> dict[str, object]:
    return {
        "name": skill.name,
        "description": skill.description,
        "when_to_use": skill.when or None,
        "path": skill.path,
        "ok": skill.sound,
    }
