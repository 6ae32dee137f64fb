"""`mpipeline completion`: a script that lets bash, zsh or fish complete commands, verbs, options and files."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from mpipeline.errors import EXIT_DONE

_BASH = """\
_mpipeline() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" place="" words="" files=yes word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$place/$word" in
{steps}
        esac
    done
    case "$place" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ $current != -* && -n $files ]]; then
        local IFS=$'\\n'
        COMPREPLY+=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _mpipeline mpipeline
"""
_ZSH = "#compdef mpipeline\nautoload -U +X bashcompinit && bashcompinit\n"


@dataclass(frozen=True, slots=True)
class Place:
    """What may follow behind `path`, such as "/models/pull": verbs and options, each with its help."""

    path: str
    verbs: dict[str, str]
    options: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = "Prints a script that lets a shell complete commands, verbs, options and files."
    parser.epilog = (
        'bash: add  eval "$(mpipeline completion bash)"  to ~/.bashrc.   zsh: the same with zsh, to ~/.zshrc behind '
        "compinit.   fish: mpipeline completion fish > ~/.config/fish/completions/mpipeline.fish"
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"])


def command(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    places = list(_places())
    if arguments.shell == "fish":
        print("\n".join(_fish(places)))
    else:
        print((_ZSH if arguments.shell == "zsh" else "") + _bash(places), end="")
    return EXIT_DONE


def _places() -> Iterator[Place]:
    from mpipeline.cli import COMMANDS  # late: it names this module

    yield Place("", {name: text for name, (_, text) in COMMANDS.items()}, {"--help": "", "--version": ""})
    for name, (module, _) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=name)
        importlib.import_module(module).add_arguments(parser)
        yield from _below(f"/{name}", parser)


def _below(path: str, parser: argparse.ArgumentParser) -> Iterator[Place]:
    verbs: dict[str, str] = {}
    options: dict[str, str] = {}
    inner: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # argparse tells its arguments in no other way
        options.update(dict.fromkeys(action.option_strings, action.help or ""))
        if isinstance(action, argparse._SubParsersAction):
            inner.update(action.choices)
            verbs.update({one.dest: one.help or "" for one in action._choices_actions})
        elif action.choices and not action.option_strings:
            verbs.update(dict.fromkeys(map(str, action.choices), ""))
    yield Place(path, verbs, options)
    for verb, below in inner.items():
        yield from _below(f"{path}/{verb}", below)


def _bash(places: list[Place]) -> str:
    steps = [f"            {place.path}) place={place.path} ;;" for place in places if place.path]
    words = [f'        "{place.path}") {_offer(place)} ;;' for place in places]
    return _BASH.format(steps="\n".join(steps), words="\n".join(words))


def _offer(place: Place) -> str:
    """What to set there; where a verb is due, no file is."""
    return f'words="{" ".join([*place.verbs, *place.options])}"{" files=" if place.verbs else ""}'


def _fish(places: list[Place]) -> Iterator[str]:
    for place in places:
        seen = [f"__fish_seen_subcommand_from {word}" for word in place.path.split("/") if word]
        condition = "; and ".join(seen)
        if place.verbs and place.path:
            condition += f"; and not __fish_seen_subcommand_from {' '.join(place.verbs)}"
        shown = f"complete -c mpipeline -n '{condition or '__fish_use_subcommand'}'"
        for verb, text in place.verbs.items():
            yield f"{shown} -f -a {verb}{_described(text)}"
        for option, text in place.options.items():
            flag = f"-l {option.removeprefix('--')}" if option.startswith("--") else f"-s {option.removeprefix('-')}"
            yield f"{shown} {flag}{_described(text)}"


def _described(text: str) -> str:
    plain = text.replace("\\", " ").replace("'", "\\'").replace("%%", "%")
    return f" -d '{plain}'" if plain else ""
