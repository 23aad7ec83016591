"""Tests of the client for asyncio: the same promises, and no task that waits for the network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any, Awaitable, Callable, List, Set

import vault_credentials as vc
from stand_ins import CANARY, FOLDER, LOGIN, PATH, REVOKE, VALUE, Answer, TestCase
from vault_credentials import AsyncVaultCredentials


class AsyncTest(TestCase):
    def run_with_client(
        self, work: Callable[[AsyncVaultCredentials], Awaitable[Any]], **options: Any
    ) -> Any:
        """What work returns, which gets a client in a loop of its own."""

        async def main() -> Any:
            async with AsyncVaultCredentials(**options) as vault:
                return await work(vault)

        return asyncio.run(main())

    def slow(self, seconds: float) -> None:
        """Let Vault take so long for the first read."""

        def answer() -> Answer:
            time.sleep(seconds)
            data = {"data": self.vault.secrets[PATH], "metadata": {"version": 1}}
            return Answer(body={"data": data})

        self.vault.scripted[PATH] = [answer]

    def test_it_reads_some_or_all_and_revokes_at_the_end(self) -> None:
        self.vault.token_type = "service"
        self.hundred()

        async def work(vault: AsyncVaultCredentials) -> None:
            self.assertEqual((await vault.get("c7"))["k"], VALUE)
            self.assertEqual(len(await vault.read()), 100)
            self.assertEqual(list(await vault.refresh("c3", "c4")), ["c3", "c4"])

        self.run_with_client(work)
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.asked(REVOKE))), (1, 1))

    def test_five_hundred_tasks_cost_one_read_and_one_thread(self) -> None:
        self.slow(0.3)
        before = _threads_of_client()
        threads: Set[threading.Thread] = set()

        async def work(vault: AsyncVaultCredentials) -> None:
            async def get() -> str:
                value = (await vault.get("ml_api_key"))["api_key"]
                threads.update(_threads_of_client() - before)
                return str(value)

            values = await asyncio.gather(*(get() for _ in range(500)))
            self.assertEqual(set(values), {VALUE})

        self.run_with_client(work)
        self.assertEqual((len(self.vault.asked(PATH)), len(threads)), (1, 1))

    def test_other_tasks_go_on_while_one_waits(self) -> None:
        self.slow(0.5)

        async def work(vault: AsyncVaultCredentials) -> int:
            steps = 0
            reading = asyncio.ensure_future(vault.get("ml_api_key"))
            while not reading.done():
                await asyncio.sleep(0.01)
                steps += 1
            return steps

        self.assertGreater(self.run_with_client(work), 10)

    def test_one_failed_refresh_is_shared_by_all_tasks(self) -> None:
        self.is_away(LOGIN)

        async def work(vault: AsyncVaultCredentials) -> List[Any]:
            gets = [vault.get("ml_api_key") for _ in range(50)]
            return await asyncio.gather(*gets, return_exceptions=True)

        errors = self.run_with_client(work)
        self.assertEqual({type(error) for error in errors}, {vc.UnreachableError})
        self.assertEqual(len(set(map(id, errors))), 50, "each has a traceback of its own")
        self.assertLess(len(self.vault.asked(LOGIN)), 10)

    def test_a_refusal_is_explained_without_a_secret(self) -> None:
        self.vault.scripted[PATH] = [Answer(403, {"errors": [CANARY]})]
        self.refused(
            vc.ReadError,
            "grants no read",
            read=lambda: self.run_with_client(lambda vault: vault.get("ml_api_key")),
        )
        self.refused(
            vc.SettingsError,
            "no credential 'x'",
            read=lambda: self.run_with_client(lambda vault: vault.get("x")),
        )

    def test_the_last_value_is_given_while_vault_is_away(self) -> None:
        async def work(vault: AsyncVaultCredentials) -> None:
            await vault.get("ml_api_key")
            self.is_away()
            self.clock.added += 301
            self.assertEqual((await vault.get("ml_api_key"))["api_key"], VALUE)

        self.run_with_client(work, background=False)

    def test_a_task_that_is_cancelled_disturbs_no_other(self) -> None:
        self.slow(0.3)

        async def work(vault: AsyncVaultCredentials) -> str:
            first = asyncio.ensure_future(vault.get("ml_api_key"))
            await asyncio.sleep(0.05)
            second = asyncio.ensure_future(vault.get("ml_api_key"))
            await asyncio.sleep(0.05)
            first.cancel()
            return str((await second)["api_key"])

        self.assertEqual(self.run_with_client(work), VALUE)
        self.assertEqual(len(self.vault.asked(PATH)), 1)

    def test_a_deadline_of_the_callers_passes_through(self) -> None:
        self.slow(1)

        async def work(vault: AsyncVaultCredentials) -> float:
            begun = time.monotonic()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(vault.get("ml_api_key"), 0.1)
            return time.monotonic() - begun

        self.assertLess(self.run_with_client(work), 0.9)

    def test_a_login_function_that_ends_the_thread_ends_no_wait(self) -> None:
        def login(audience: str) -> str:
            raise AssertionError(CANARY)

        async def work(vault: AsyncVaultCredentials) -> None:
            with self.assertRaises(vc.IdentityError):
                await vault.get("ml_api_key")

        self.run_with_client(work, login=login)


class StartUpTest(TestCase):
    """A job pays for what it uses."""

    def test_what_takes_long_to_load_is_loaded_when_it_is_used(self) -> None:
        script = (
            "import sys, vault_credentials as vc; vc.read_credentials();"
            "print([m for m in ('asyncio', 'logging', 'subprocess', 'urllib.request', 'argparse',"
            " 'dataclasses', 'inspect') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=FOLDER, capture_output=True, text=True
        )
        self.assertEqual((done.stdout, done.stderr), ("[]\n", ""))


def _threads_of_client() -> Set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "vault-credentials"}
