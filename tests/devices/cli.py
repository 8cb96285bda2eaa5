"""A session at the command line: what both platforms have in common."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from devices.config import Config, Cursor
from devices.device import Device
from devices.faults import DroppedError
from devices.grammar import CliError, rule

Ask = Callable[[str], Awaitable[str]]
Answer = str | dict[str, Any]


class RefusedError(Exception):
    """The device's words about a command that it didn't carry out."""


def command(*patterns: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a method of a ``Cli`` carry out the commands of these ``patterns`` (see ``grammar``).

    It is given the words that are of a type, and returns what the device answers.
    """

    def mark(method: Callable[..., Any]) -> Callable[..., Any]:
        method.patterns = patterns  # type: ignore[attr-defined]
        return method

    return mark


async def nobody(_: str) -> str:
    """Answer for those who can't be asked."""
    return ""


class Cli:
    """One session. ``ask`` puts a question to whoever sits there."""

    handlers: ClassVar[dict[int, Callable[..., Any]]]
    exec_rules: ClassVar[list[Any]]

    def __init_subclass__(cls) -> None:
        """Collect the commands of a platform."""
        found = [
            (pattern, method)
            for parent in reversed(cls.__mro__)
            for method in vars(parent).values()
            for pattern in getattr(method, "patterns", ())
        ]
        cls.exec_rules = [rule(pattern, place) for place, (pattern, _) in enumerate(found)]
        cls.handlers = {place: method for place, (_, method) in enumerate(found)}

    def __init__(self, device: Device, user: str, level: int = 15, ask: Ask = nobody) -> None:
        self.device, self.user, self.level, self.ask = device, user, level, ask
        device.grammar.modes["exec"] = self.exec_rules
        self.words: tuple[str, ...] = ()  # of the command under way
        self.page = 24  # lines; 0 is no paging
        self.cursor: Cursor | None = None
        self.typed: list[str] = []  # a banner that isn't complete
        self.budget: int | None = None  # lines that a faulty device still takes
        self.abbreviate = True
        self.done = False

    @property
    def prompt(self) -> str:
        """What the device shows when it waits for a command."""
        raise NotImplementedError

    def refusal(self, error: CliError) -> str:
        """Return the device's words for a line that it doesn't understand."""
        raise NotImplementedError

    async def run(self, line: str) -> Answer:
        """Carry out one line.

        Raises:
            RefusedError: with the device's words.
            DroppedError: the connection ends.
        """
        if self.typed or (self.cursor and not self._leaves(line)):
            return self._configure(line)
        line = line.strip()
        if not line or line.startswith("!"):
            return ""
        self.device.log(self.user, line)
        faults = self.device.faults
        drop = faults.find("drop", line)
        if drop and not drop.get("after"):
            raise DroppedError
        if slow := faults.find("slow", line):
            await asyncio.sleep(slow["seconds"])
        if prompt := faults.find("prompt", line):
            await self.ask(prompt["text"])
        if said := faults.find("say", line):
            return str(said["text"])
        if partial := faults.find("partial", line):
            self.budget = partial["lines"]
        elif not self.cursor:
            self.budget = None
        answer = await self._execute(line)
        if drop:
            raise DroppedError
        return answer

    async def _execute(self, line: str) -> Answer:
        line, *filters = re.split(r" \| ", line)
        try:
            match = self.device.grammar.match("exec", line, abbreviate=self.abbreviate)
        except CliError as error:
            raise RefusedError(self.refusal(error)) from None
        self.words = match.words
        answer = self.handlers[match.rule.place](self, *match.values)
        if inspect.isawaitable(answer):
            answer = await answer
        for words in filters:
            answer = self.filter(answer, *words.split(maxsplit=1))
        return answer if answer is not None else ""

    def filter(self, answer: Answer, kind: str, pattern: str = "") -> Answer:
        """Do what stands behind a ``|``."""
        lines = str(answer).splitlines()
        if "include".startswith(kind):
            lines = [line for line in lines if re.search(pattern, line)]
        elif "exclude".startswith(kind):
            lines = [line for line in lines if not re.search(pattern, line)]
        elif "begin".startswith(kind):
            first = next((n for n, line in enumerate(lines) if re.search(pattern, line)), None)
            lines = lines[first:] if first is not None else []
        elif "section".startswith(kind):
            lines = section(lines, pattern)
        else:
            raise RefusedError(self.refusal(CliError("invalid", f"| {kind}", 2)))
        return "".join(f"{line}\n" for line in lines)

    def _leaves(self, line: str) -> bool:
        """Tell whether ``line`` is no configuration: ``do show …``, or what a session knows."""
        return False

    def _configure(self, line: str) -> str:
        assert self.cursor
        if self.budget is not None:
            self.budget -= 1
            if self.budget < 0:
                return ""
        if line.strip() == "end" or (line.strip() == "exit" and len(self.cursor.stack) == 1):
            self.leave()
            return ""
        self.typed.append(line)
        first, *more = self.typed
        try:
            self.cursor.enter(first, iter(more), abbreviate=self.abbreviate)
        except CliError as error:
            if error.kind == "unfinished":
                return ""
            self.typed = []
            raise RefusedError(self.refusal(error)) from None
        self.typed = []
        if self.cursor.config is self.device.running:
            self.device.tell("changed")
        return ""

    def enter(self, config: Config) -> str:
        """Go on in configuration mode."""
        self.cursor = Cursor(config)
        return ""

    def leave(self) -> None:
        """Go back to where commands are carried out."""
        self.cursor = None


def section(lines: list[str], pattern: str) -> list[str]:
    """Return the lines that match, each with the lines below it."""
    out: list[str] = []
    inside = False
    for line in lines:
        inside = bool(re.search(pattern, line)) or (inside and line.startswith(" "))
        if inside:
            out.append(line)
    return out
