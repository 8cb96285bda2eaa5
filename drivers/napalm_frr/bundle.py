"""Pack the on-device half into one zip file, for the device's python3 to unpack and run."""

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

DEVICE = Path(__file__).with_name("device")
START = "import sys\nfrom device.main import main\nsys.exit(main())\n"
OLD = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal sources give equal bytes


@cache
def agent() -> bytes:
    """Return the agent as a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", OLD), START)
        for path in sorted(DEVICE.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(f"device/{path.name}", OLD), path.read_bytes())
    return buffer.getvalue()


@cache
def remote_path() -> str:
    """Return where the agent lies on the device; another version gets another name."""
    return f"/run/napalm-frr/agent-{hashlib.sha256(agent()).hexdigest()[:12]}"
