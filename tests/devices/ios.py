"""The commands of Cisco IOS."""

from __future__ import annotations

import time

from devices import diff
from devices.cli import Answer, RefusedError, command
from devices.config import Config
from devices.grammar import CliError
from devices.ios_files import IosFiles
from devices.ios_show import IosShow, running, startup
from devices.passwords import fits

NO_TIMER = "%No Rollback Confirmed Change pending\n"
REMOVES_USER = (
    "This operation will remove all username related configurations with same name."
    "Do you want to continue? [confirm]"
)


class IosCli(IosFiles, IosShow):
    """A session on IOS."""

    @property
    def prompt(self) -> str:
        """The host name, and where one is; cut short in configuration mode."""
        if self.typed:
            return ""
        if not self.cursor:
            return self.device.hostname + ("#" if self.level > 1 else ">")
        mode = {"config": "config", "port": "config-if", "svi": "config-if"}
        return f"{self.device.hostname[:20]}({mode.get(self.cursor.mode, 'config-mode')})#"

    def refusal(self, error: CliError, column: int | None = None) -> str:
        """Return IOS's words; ``column`` is where the line begins on the screen."""
        if error.kind == "ambiguous":
            return f'% Ambiguous command:  "{error.line.strip()}"\n'
        if error.kind in ("incomplete", "unfinished"):
            return "% Incomplete command.\n\n"
        column = len(self.prompt) if column is None else column
        return " " * (column + error.at) + "^\n% Invalid input detected at '^' marker.\n\n"

    async def run(self, line: str) -> Answer:
        """Carry out one line; in configuration mode, ``do`` goes before what is none."""
        if self.cursor and not self.typed and line.strip().startswith("no username "):
            await self.ask(REMOVES_USER)
        return await super().run(line.strip().removeprefix("do ") if self._leaves(line) else line)

    def _leaves(self, line: str) -> bool:
        return line.strip().startswith("do ")

    async def _execute(self, line: str) -> Answer:
        if self.level < 2 and line.split(maxsplit=1)[0] not in (
            "enable",
            "exit",
            "show",
            "terminal",
        ):
            raise RefusedError(self.refusal(CliError("invalid", line)))
        return await super()._execute(line)

    @command("terminal length NUM")
    def terminal_length(self, lines: str) -> None:
        """Set the page; a fault has it stay as it is."""
        if not self.device.faults.find("paging"):
            self.page = int(lines)

    @command("terminal width NUM", "terminal monitor", "terminal no monitor")
    def terminal(self, _: str = "") -> None:
        """Be understood."""

    @command("enable")
    async def enable(self) -> str:
        """Ask for the enable secret, where there is one."""
        secret = self.device.running.find(r"enable secret .*?(\S+)")
        if self.level < 2 and secret and not fits(await self.ask("Password: "), secret[0][0][1]):
            return "% Bad secrets\n\n"
        self.level = 15
        return ""

    @command("disable")
    def disable(self) -> None:
        """Give the privilege back."""
        self.level = 1

    @command("exit", "quit", "logout")
    def exit(self) -> None:
        """End the session."""
        self.done = True

    @command("configure terminal [revert timer NUM]")
    def configure(self, minutes: str = "") -> str:
        """Enter configuration mode; what is changed from here on may return by itself."""
        if minutes:
            self._arm(minutes)
        self.enter(self.device.running)
        return "Enter configuration commands, one per line.  End with CNTL/Z.\n"

    @command(
        "configure replace FILE [force] [revert trigger error]",
        "configure replace FILE force [revert trigger error] timer NUM",
        "configure replace FILE force revert timer NUM",
    )
    async def replace(self, name: str, minutes: str = "") -> str:
        """Have the running configuration become exactly that of a file."""
        if "force" not in self.words:
            answer = await self.ask("Enter Y if you are sure you want to proceed. ? [no]: ")
            if not answer.lower().startswith("y"):
                return ""
        config, errors = Config(self.device.grammar), "error" in self.words
        refused = config.load(self._load(name))
        if refused and errors:
            return (
                f"{self._refusals(refused)}Failed to apply command {refused[0].line.strip()}\n"
                "Rollback: original configuration has been successfully restored\n"
            )
        if minutes:
            self._arm(minutes)
        await self._mind_users(config)
        self.device.run(config)
        return f"{self._refusals(refused)}Total number of passes: 1\nRollback Done\n\n"

    @command("configure confirm")
    def confirm(self) -> str:
        """Keep what was changed."""
        return "" if self.device.disarm() else NO_TIMER

    @command("configure revert now")
    def revert(self) -> str:
        """Undo what was changed, before its time is up."""
        return "Rollback Done\n\n" if self.device.revert() else NO_TIMER

    @command("copy FILE running-config", "copy startup-config running-config")
    async def merge(self, name: str = "") -> str:
        """Take a file line by line into the running configuration; bad lines are left out."""
        await self._confirm("Destination filename [running-config]? ")
        text = self._load(name) if name else "\n".join(self.device.startup.lines())
        config = self.device.running.clone()
        refused = config.load(text)
        await self._mind_users(config)
        self.device.run(config)
        return f"{self._refusals(refused)}{len(text)} bytes copied in 0.100 secs\n"

    @command("reload")
    async def reload(self) -> str:
        """Restart from the startup configuration."""
        if self.device.running != self.device.startup:
            question = "System configuration has been modified. Save? [yes/no]: "
            if (await self.ask(question)).lower().startswith("y"):
                self.device.save()
        await self.ask("Proceed with reload? [confirm]")
        self.device.reload()
        self.done = True
        return ""

    @command("show running-config")
    def show_running(self) -> str:
        """Show what runs."""
        text = running(self.device)
        size = f"Current configuration : {len(text)} bytes\n"
        return f"Building configuration...\n\n{size}!\n{text}"

    @command("show startup-config")
    def show_startup(self) -> str:
        """Show what the device starts with."""
        text = startup(self.device)
        return f"Using {len(text)} out of 524288 bytes\n!\n{text}"

    @command("show archive")
    def show_archive(self) -> str:
        """Show the archive: commit-confirm needs one."""
        if not self._archive():
            return "Archive feature not enabled\n"
        return "The maximum archive configurations allowed is 10.\n"

    @command("show archive config differences FILE FILE")
    def differences(self, before: str, after: str) -> str:
        """Compare two files as texts."""
        lines = diff.contextual(self._load(before), self._load(after))
        return "!Contextual Config Diffs:\n" + ("\n".join(lines) or "!No changes were found") + "\n"

    @command("show archive config incremental-diffs FILE [ignorecase]")
    def incremental(self, name: str) -> str:
        """Say what a file that is merged would change."""
        lines = diff.incremental(running(self.device), self._load(name))
        return "!List of Commands:\n" + ("\n".join(lines) or "!No changes were found") + "\nend\n"

    @command("show archive config rollback timer")
    def show_timer(self) -> str:
        """Show the change that waits to be confirmed."""
        timer = self.device.timer
        if not timer:
            return NO_TIMER
        began = time.gmtime(timer.ends - timer.seconds)
        return (
            f"Time configured(UTC): {time.strftime('%H:%M:%S UTC %a %b %d %Y', began)}\n"
            "Timer type: absolute timer\n"
            f"Timer value: {timer.seconds / self.device.minute:.0f} min\n"
            f"User: {timer.owner}\n"
        )

    def _archive(self) -> bool:
        return any(
            line.startswith("path ")
            for _, lines in self.device.running.find("archive")
            for line in lines
        )

    def _arm(self, minutes: str) -> None:
        if not self._archive():
            raise RefusedError("%Please turn config archive on to use the revert timer\n")
        if self.device.timer:
            raise RefusedError("%Rollback Confirmed Change already pending\n")
        self.device.arm(int(minutes) * self.device.minute, self.user)

    def _refusals(self, errors: list[CliError]) -> str:
        return "".join(f"{error.line}\n{self.refusal(error, 0)}" for error in errors)

    async def _mind_users(self, config: Config) -> None:
        """Ask before each user that would be gone, as IOS does even with ``force``."""
        names = {found[1] for found, _ in self.device.running.find(r"username (\S+) .*")}
        for _ in sorted(names - {found[1] for found, _ in config.find(r"username (\S+) .*")}):
            await self.ask(REMOVES_USER)
