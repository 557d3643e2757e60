"""The examples, the README, and the package as it is installed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import smooth_operator as so
from smooth_operator.testing import FakeServer, Reply

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


async def answer(_: so.SendMessageParams, reply: Reply) -> None:
    await reply.accepted()
    await reply.confirmation("lookup", "Look it up.")


async def confirmed(action: so.ConfirmToolActionParams, reply: Reply) -> None:
    await reply.data({"sessionId": action.session_id, "approved": action.approved})
    await reply.token("30 days.")
    await reply.done("30 days.")


class Examples(unittest.IsolatedAsyncioTestCase):
    def test_the_readme_shows_the_quickstart_that_is_tested(self) -> None:
        quickstart = (ROOT / "examples/quickstart.py").read_text(encoding="utf-8")
        self.assertTrue(quickstart.endswith(BLOCKS[0]))

    async def test_the_quickstart_prints_the_answer(self) -> None:
        ask = runpy.run_path(str(ROOT / "examples/quickstart.py"))["ask"]
        printed = io.StringIO()
        async with FakeServer() as server:
            server.on(so.SendMessageParams, answer)
            server.on(so.ConfirmToolActionParams, confirmed)
            with contextlib.redirect_stdout(printed):
                await cast("Callable[[str], Awaitable[None]]", ask)(server.url)
        self.assertEqual(printed.getvalue(), "Look it up.\n30 days.\n")

    async def test_the_readmes_test_passes(self) -> None:
        names: dict[str, object] = {"smooth_operator": so}
        exec(BLOCKS[-1], names)
        await cast("Callable[[], Awaitable[None]]", names["test"])()

    async def test_the_readmes_other_pieces_run(self) -> None:
        async with FakeServer() as server:
            server.on(so.SendMessageParams, answer)
            names: dict[str, object] = {"smooth_operator": so, "url": server.url}
            exec(BLOCKS[2], names)
            client = cast(so.SmoothAgentClient, names["client"])
            await client.connect()
            self.assertEqual(server.tokens, ["the token of this minute"])
            await client.close()

    async def test_ctrl_c_ends_a_program_that_waits(self) -> None:
        async with FakeServer() as server:
            server.on(so.SendMessageParams, answer)
            program = (
                "import asyncio, signal, sys, smooth_operator as so\n"
                # A shell ignores Ctrl-C for what it runs in the background.
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "async def main():\n"
                "    async with so.SmoothAgentClient(sys.argv[1]) as client:\n"
                "        await client.send_message(session_id='s', message='m')\n"
                "asyncio.run(main())\n"
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, server.url, stderr=subprocess.PIPE
            )
            await server.received(so.SendMessageParams)
            process.send_signal(signal.SIGINT)
            _, errors = await asyncio.wait_for(process.communicate(), 20)
        said = errors.decode()
        self.assertIn("KeyboardInterrupt", said)
        self.assertNotIn("never retrieved", said)
        self.assertNotIn("was destroyed", said)


class Package(unittest.TestCase):
    def test_wheel_and_source_build_and_install_into_an_empty_environment(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            source, built = Path(place) / "source", Path(place) / "dist"
            shutil.copytree(
                ROOT, source, ignore=shutil.ignore_patterns(".*", "*.egg-info", "build", "__pycache__")
            )
            self.run_program(
                sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)
            )
            venv.create(Path(place) / "venv", with_pip=True)
            python = str(Path(place) / "venv" / "bin" / "python")
            for pattern in ("*.whl", "*.tar.gz"):
                (package,) = built.glob(pattern)
                with self.subTest(pattern):
                    self.run_program(python, "-m", "pip", "install", "-q", "--force-reinstall", str(package))
                    program = (
                        "import smooth_operator, importlib.resources as r\n"
                        "assert r.files(smooth_operator).joinpath('py.typed').is_file()\n"
                        "import smooth_operator.testing\n"
                        "print(smooth_operator.SmoothAgentClient.__name__)\n"
                    )
                    said = self.run_program(python, "-W", "error", "-c", program, cwd=place)
                    self.assertEqual(said, "SmoothAgentClient\n")
            self.follow_the_readme(python, Path(place) / "empty")

    def follow_the_readme(self, python: str, folder: Path) -> None:
        """Its programs, word for word but for the port, with the package as it was installed."""
        folder.mkdir()

        async def run() -> str:
            async with FakeServer() as server:
                server.on(so.SendMessageParams, answer)
                server.on(so.ConfirmToolActionParams, confirmed)
                program = BLOCKS[0].replace("ws://127.0.0.1:8787/ws", server.url)
                (folder / "quickstart.py").write_text(program, encoding="utf-8")
                return await asyncio.to_thread(self.run_program, python, "quickstart.py", cwd=str(folder))

        self.assertEqual(asyncio.run(run()), "Look it up.\n30 days.\n")
        test = f"import asyncio\nimport smooth_operator\n{BLOCKS[-1]}\nasyncio.run(test())\n"
        (folder / "own_test.py").write_text(test, encoding="utf-8")
        self.assertEqual(self.run_program(python, "own_test.py", cwd=str(folder)), "")

    def run_program(self, *command: str, cwd: str | None = None) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


if __name__ == "__main__":
    unittest.main()
