"""Files on Cisco IOS: what is copied, listed, checked and shown."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from devices.cli import Cli, RefusedError, command
from devices.device import FLASH_BYTES
from devices.ios_show import running, startup

NO_FILE = "%Error opening {name} (No such file or directory)\n"
FULL = "%Error writing {name} (No space left on device)\n"


class IosFiles(Cli):
    """The commands that read and write flash and NVRAM."""

    @command("copy running-config FILE", "copy startup-config FILE", "copy FILE FILE")
    async def copy(self, source: str, target: str = "") -> str:
        """Write a file."""
        target = target or source
        await self._confirm(f"Destination filename [{target.split(':')[1].strip('/')}]? ")
        if self.words[1] == "running-config":
            text = running(self.device)
        elif self.words[1] == "startup-config":
            text = startup(self.device)
        else:
            text = "" if source == "null:" else self._load(source)
        try:
            self.device.store(target, text)
        except OSError:
            return FULL.format(name=target)
        return f"{len(text)} bytes copied in 0.100 secs\n"

    @command("copy running-config startup-config")
    async def copy_to_startup(self) -> str:
        """Keep what runs for the next start."""
        await self._confirm("Destination filename [startup-config]? ")
        return self.write()

    @command("write [memory]")
    def write(self) -> str:
        """Keep what runs for the next start."""
        self.device.save()
        return "Building configuration...\n[OK]\n"

    @command("dir [FILE]")
    def dir(self, name: str = "flash:/") -> str:
        """List a file, or all of them."""
        one = name.split(":")[1].strip("/")
        files = [self._path(name)] if one else sorted(self.device.flash.iterdir())
        rows = []
        for number, path in enumerate(files, 1):
            size, seconds = path.stat().st_size, path.stat().st_mtime
            when = time.strftime("%b %d %Y %H:%M:%S +00:00", time.gmtime(seconds))
            rows.append(f"   {number:2}  -rw-  {size:10}  {when}  {path.name}\n")
        free = f"{FLASH_BYTES} bytes total ({self.device.free()} bytes free)\n"
        head = name if one else "flash:/"
        return f"Directory of {head}\n\n{''.join(rows)}\n{free}"

    @command("more FILE")
    def more(self, name: str) -> str:
        """Show a file."""
        return self._load(name)

    @command("delete [/force] FILE")
    def delete(self, name: str) -> str:
        """Remove a file."""
        self._path(name).unlink()
        return ""

    @command("verify /md5 FILE")
    def verify(self, name: str) -> str:
        """Show a file's checksum."""
        digest = hashlib.md5(self._path(name).read_bytes(), usedforsecurity=False).hexdigest()
        return f"....Done!\nverify /md5 ({name}) = {digest}\n"

    def _path(self, name: str) -> Path:
        path = self.device.file(name)
        if not path.is_file():
            raise RefusedError(NO_FILE.format(name=name))
        return path

    def _load(self, name: str) -> str:
        if name.startswith("system:"):
            return running(self.device)
        text = self._path(name).read_text(encoding="utf-8")
        if self.budget is not None:
            return "".join(text.splitlines(keepends=True)[: self.budget])
        return text

    async def _confirm(self, question: str) -> None:
        if not self.device.running.find("file prompt quiet"):
            await self.ask(question)
