"""Packages built and installed for real: our wheel and a stranger's, in an environment of their own, without a network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A stranger has none of our plugins for pytest, which take 3 s to load.
QUIET = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def build(project: Path, into: Path) -> Path:
    """The wheel of a project, from its backend itself: pip would start three processes to ask for the same."""
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(into)], cwd=project, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return into / done.stdout.split()[-1]


class Environment:
    """A fresh virtual environment: the libraries of this one can be imported, but Recording Gateway is the wheel's."""

    def __init__(self, folder: Path) -> None:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        [packages] = folder.glob("lib/python3*/site-packages")
        self.packages = packages
        # one line of path, which reads no other .pth: so our own source tree, which is installed there, stays out of it
        (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, *wheels: Path) -> None:
        """Install these wheels, and nothing they ask for."""
        # the pip of the libraries, begun by the environment's own Python: `pip --python` would start a second one
        command: list[str | Path] = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        command += ["--no-deps", "--no-index", "--ignore-installed", *wheels]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def run(
        self, *arguments: str | Path, cwd: Path, check: bool = True, environ: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment: ("python", …), ("gateway", …)."""
        program, *rest = map(str, arguments)
        done = subprocess.run(
            [str(self.bin / program), *rest],
            cwd=cwd,
            env={"PATH": str(self.bin), "LANG": "C.UTF-8", **QUIET, **(environ or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done
