"""Tests of the thread that refreshes values in use, and of clients in threads, forks and spawns."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pathlib
import pickle
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

import vault_credentials as vc
from stand_ins import (
    FOLDER,
    LEASED_PATH,
    LOGIN,
    PATH,
    REVOKE,
    VALUE,
    Answer,
    TestCase,
)
from vault_credentials import keeper, session

HAS_FORK = hasattr(os, "fork")


class RealTimeTestCase(TestCase):
    """The client's clock is the real one, because its thread waits for real."""

    def eventually(self, holds: Callable[[], object], seconds: float = 10) -> None:
        """Wait until something holds."""
        until = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), until, "it never came to hold")
            time.sleep(0.01)

    def living(self, **options: Any) -> vc.VaultCredentials:
        return self.client(background=True, **options)


class ThreadTest(RealTimeTestCase):
    def test_a_value_in_use_is_renewed_and_no_caller_meets_the_network(self) -> None:
        vault = self.living(ttl=0.6)
        vault["ml_api_key"]
        self.vault.secrets[PATH] = {"api_key": "new"}
        asked_by: List[str] = []
        read = session.Session.read

        def watched(*arguments: Any) -> Any:
            asked_by.append(threading.current_thread().name)
            return read(*arguments)

        with mock.patch.object(session.Session, "read", watched):
            until = time.monotonic() + 2
            while time.monotonic() < until:
                vault["ml_api_key"]
                time.sleep(0.005)
        self.assertEqual(vault["ml_api_key"]["api_key"], "new")
        self.assertEqual(set(asked_by), {"vault-credentials"})
        self.assertGreaterEqual(len(asked_by), 3)

    def test_a_value_that_nobody_uses_costs_nothing(self) -> None:
        self.name(db=LEASED_PATH)
        self.vault.lease = 1
        vault = self.living(ttl=0.2)
        vault["db"]
        time.sleep(1.5)
        self.assertEqual(self.vault.leases, 1)
        self.assertEqual(vault["db"]["username"], "v-job-2")

    def test_an_outage_is_met_by_the_thread_and_the_value_comes_back_by_itself(self) -> None:
        self.use(mock.patch.object(keeper, "PAUSE", 0.4))
        vault = self.living(ttl=0.3)
        vault["ml_api_key"]
        self.is_away()
        until = time.monotonic() + 2
        while time.monotonic() < until:
            self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
            time.sleep(0.005)
        self.assertLess(len(self.vault.asked(PATH)), 15)
        self.vault.secrets[PATH] = {"api_key": "new"}
        self.is_back()
        self.eventually(lambda: vault["ml_api_key"]["api_key"] == "new")

    def test_a_path_that_fails_keeps_no_other_from_its_refresh(self) -> None:
        self.use(mock.patch.object(keeper, "PAUSE", 0.4))
        self.name(db=LEASED_PATH, ml_api_key=PATH)
        vault = self.living(ttl=0.3)
        vault.read()
        self.is_away(LEASED_PATH, Answer(500, {"errors": ["the database is down"]}))
        self.vault.secrets[PATH] = {"api_key": "new"}

        def is_seen() -> bool:
            vault["db"]
            return bool(vault["ml_api_key"]["api_key"] == "new")

        self.eventually(is_seen)

    def test_the_thread_ends_with_its_client_closed_or_dropped(self) -> None:
        ends: List[Callable[[vc.VaultCredentials], object]] = [lambda vault: vault.close(), id]
        for end in ends:
            vault = vc.VaultCredentials()
            vault["ml_api_key"]
            thread = vault._keeper._thread
            assert thread is not None
            end(vault)
            del vault
            gc.collect()
            thread.join(10)
            self.assertFalse(thread.is_alive())

    def test_close_while_others_read_fails_no_read_and_leaves_nothing(self) -> None:
        self.vault.token_type = "service"
        vault = vc.VaultCredentials(ttl=0)
        problems: List[BaseException] = []
        is_over = threading.Event()

        def work() -> None:
            while not is_over.is_set():
                try:
                    assert vault["ml_api_key"]["api_key"] == VALUE
                except BaseException as error:
                    problems.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            time.sleep(0.02)
            vault.close()
        is_over.set()
        for thread in threads:
            thread.join()
        vault.close()
        self.assertEqual(problems, [])
        self.assertEqual(vault._keeper._entries, {})
        # each login's token was revoked, also that of a read which a close came upon
        self.eventually(lambda: len(self.vault.asked(REVOKE)) == len(self.vault.asked(LOGIN)))


@unittest.skipUnless(HAS_FORK, "Windows has no fork")
class ForkTest(RealTimeTestCase):
    def test_forks_while_threads_read_lose_no_read(self) -> None:
        """Each child reads with eight threads, in a process whose eight threads read meanwhile."""
        vault = self.living(ttl=0)
        is_over = threading.Event()

        def work() -> None:
            while not is_over.is_set():
                vault["ml_api_key"]

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        statuses = []
        for _ in range(10):
            child = os.fork()
            if not child:
                os._exit(_read_with_threads(vault))
            statuses.append(_status_within(child, 30))
        is_over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [0] * 10)

    def test_a_worker_that_is_forked_in_an_outage_has_the_values_of_its_parent(self) -> None:
        vault = self.living()
        vault["ml_api_key"]
        self.is_away(LOGIN)
        child = os.fork()
        if not child:
            os._exit(0 if vault["ml_api_key"]["api_key"] == VALUE else 1)
        self.assertEqual(_status_within(child, 10), 0)

    def test_a_child_that_closes_revokes_no_token_of_its_parent(self) -> None:
        self.vault.token_type = "service"
        vault = self.living()
        vault["ml_api_key"]
        child = os.fork()
        if not child:
            vault.close()
            os._exit(0)
        self.assertEqual(_status_within(child, 10), 0)
        self.assertEqual(self.vault.asked(REVOKE), [])


def _read_with_threads(vault: vc.VaultCredentials) -> int:
    """Read in a forked child. The exit status: 0 if every read of every thread was good."""
    good: List[int] = []

    def work() -> None:
        for _ in range(5):
            if vault["ml_api_key"]["api_key"] == VALUE:
                good.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(25)
    return 0 if len(good) == 40 else 1


def _status_within(child: int, seconds: float) -> int:
    """The exit status of a child process, which is killed when it takes longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    os.kill(child, 9)
    return os.waitpid(child, 0)[1]


class Dataset:
    """As a data set of torch: a DataLoader sends it to its workers, and asks each for items."""

    def __init__(self, vault: vc.VaultCredentials) -> None:
        self.vault = vault

    def item(self, _: int) -> Tuple[int, bool]:
        return os.getpid(), self.vault["ml_api_key"]["api_key"] == VALUE


class MultiprocessingTest(TestCase):
    """A client goes to workers by fork, spawn and forkserver, and holds its promises there."""

    def test_each_way_of_starting_workers(self) -> None:
        for way in multiprocessing.get_all_start_methods():
            with self.subTest(way):
                vault = self.client(background=True)
                vault["ml_api_key"]
                context = multiprocessing.get_context(way)
                with context.Pool(2) as pool:
                    answers = pool.map(Dataset(vault).item, range(8), chunksize=1)
                self.assertTrue(all(is_right for _, is_right in answers), answers)
                self.assertNotIn(os.getpid(), [worker for worker, _ in answers])

    def test_what_is_sent_holds_no_value_and_no_token(self) -> None:
        vault = self.client(ttl=7, max_stale=8)
        vault["ml_api_key"]
        sent = pickle.dumps(vault)
        self.assertNotIn(b"CANARY", sent)
        received = self.closed(pickle.loads(sent))
        self.assertEqual(received._options, vault._options)
        self.assertEqual(received["ml_api_key"]["api_key"], VALUE)


APP = """
import json
from vault_credentials import VaultCredentials

vault = VaultCredentials(ttl=1)
vault["ml_api_key"]  # in the master, before it forks


def app(environ, start_response):
    value = vault["ml_api_key"]["api_key"]
    start_response("200 OK", [("Content-Length", str(len(value)))])
    return [value.encode()]
"""


@unittest.skipUnless(HAS_FORK, "gunicorn needs fork")
class GunicornTest(TestCase):
    """The genuine gunicorn, which preloads the application, forks, and answers with threads."""

    def test_every_request_to_every_worker_is_answered(self) -> None:
        for _ in range(2):
            with self.serving() as address:
                answers: List[str] = []

                def ask() -> None:
                    for _ in range(25):
                        with urllib.request.urlopen(address, timeout=30) as answer:
                            answers.append(answer.read().decode())

                threads = [threading.Thread(target=ask) for _ in range(16)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(answers, [VALUE] * 400)

    def serving(self) -> Any:
        return Gunicorn(self)


class Gunicorn:
    """gunicorn with the application above, while a block lasts. Its log must tell of no error."""

    def __init__(self, case: TestCase) -> None:
        self.case = case
        self.folder = pathlib.Path(tempfile.mkdtemp())
        (self.folder / "served.py").write_text(APP)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> str:
        command = ["gunicorn", "--preload", "--workers", "4", "--threads", "8"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--chdir", str(self.folder)]
        path = os.pathsep.join([str(FOLDER), str(self.folder)])
        self.log = open(self.folder / "log", "w+")
        environment: Dict[str, str] = {**os.environ, "PYTHONPATH": path}
        # Debian's gunicorn needs Debian's Python, whatever else is called python3 here.
        self.process = subprocess.Popen(
            [*command, "served:app"], env=environment, stderr=self.log, stdout=self.log
        )
        self._wait_until_it_listens()
        return f"http://127.0.0.1:{self.port}/"

    def _wait_until_it_listens(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.case.fail(f"gunicorn does not listen: {self._said()}")

    def _said(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        said = self._said()
        self.log.close()
        self.case.assertNotIn("Traceback", said)
        self.case.assertNotIn("[ERROR]", said)
        self.case.assertNotIn("CRITICAL", said)
