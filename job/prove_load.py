"""Prove that an endpoint of many threads and workers never notices what happens to Vault.

    python3 job/prove_load.py            10,000 reads in three minutes, with an outage of 90 seconds
    python3 job/prove_load.py --short    the same in eight seconds, as test_load.py runs it

Workers are forked from a process that has read already, as gunicorn --preload does. Their threads
read two credentials all the time: one of KV and one with a lease. Meanwhile the values are rotated
twice, Vault is restarted once, and is away once. It exits with 0 if no read failed, every worker
saw each value in its turn, no caller but the first in a worker met the network, and the slowest
read was quick enough. The last depends on how busy the machine is.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple
from unittest import mock

import vault_credentials as vc
from stand_ins import LEASED_PATH, PATH, FakeIdentityEndpoint, FakeVault, environment
from vault_credentials.session import Session

# Seconds that one read may take.
QUICK = 0.050


class Plan(NamedTuple):
    """What happens, in seconds."""

    workers: int
    threads: int
    reads: int
    lasts: float
    ttl: float
    rotations: Sequence[float]
    restart: float
    outage: Sequence[float]  # from, to


LONG = Plan(8, 16, 10_000, 180, 9, (15, 60), 40, (70, 160))
SHORT = Plan(4, 8, 2_000, 8, 0.6, (1, 2.5), 1.8, (3.5, 6))


class Result(NamedTuple):
    """What one worker saw. slowest is in seconds; asked are the requests of callers themselves."""

    reads: int
    failures: List[str]
    slowest: float
    seen: List[str]
    asked: int


class Worker:
    """A forked process whose threads read all the time."""

    def __init__(self, plan: Plan, vault: vc.VaultCredentials, begun: float) -> None:
        self._plan = plan
        self._vault = vault
        self._begun = begun
        self._durations: List[float] = []
        self._failures: List[str] = []
        self._seen: Dict[str, float] = {}  # each version, and when it was first seen

    def run(self) -> Result:
        threads = [threading.Thread(target=self._read) for _ in range(self._plan.threads)]
        asked: List[str] = []
        read = Session.read

        def noted(*arguments: Any) -> Any:
            asked.append(threading.current_thread().name)
            return read(*arguments)

        with mock.patch.object(Session, "read", noted):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return Result(
            reads=len(self._durations),
            failures=self._failures,
            slowest=max(self._durations),
            seen=sorted(self._seen, key=lambda version: self._seen[version]),
            asked=len([name for name in asked if name != "vault-credentials"]),
        )

    def _read(self) -> None:
        """Read at moments of chance, so often that all threads together make plan.reads."""
        count = self._plan.reads // (self._plan.workers * self._plan.threads) + 1
        moments = sorted(random.uniform(0, self._plan.lasts) for _ in range(count))
        for moment in moments:
            time.sleep(max(0.0, self._begun + moment - time.monotonic()))
            before = time.monotonic()
            try:
                version = self._vault["ml_api_key"]["api_key"]
                self._vault["db"]["password"]
            except Exception as error:
                self._failures.append(f"{moment:.1f} s: {error}")
                continue
            self._durations.append(time.monotonic() - before)
            self._seen.setdefault(version, moment)


class Storm:
    """Vault's life during the plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.identity = FakeIdentityEndpoint()
        self.vault = FakeVault()
        self.vault.lease = self.vault.token_ttl = 3600
        self.rotate("version 0")

    def rotate(self, version: str) -> None:
        self.vault.secrets[PATH] = {"api_key": version}

    def run(self, begun: float) -> None:
        """Let all of it happen at its time."""
        events: List[Tuple[float, Callable[[], None]]] = [
            (self._plan.restart, self._restart),
            (self._plan.outage[0], self._go_away),
            (self._plan.outage[1], self._come_back),
        ]
        for number, moment in enumerate(self._plan.rotations, start=1):
            events.append((moment, functools.partial(self.rotate, f"version {number}")))
        for moment, happen in sorted(events, key=lambda event: event[0]):
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            happen()

    def _restart(self) -> None:
        self._go_away()
        self._come_back()

    def _go_away(self) -> None:
        self.vault.close()

    def _come_back(self) -> None:
        """The same storage on the same port. Tokens live on."""
        before = self.vault
        self.vault = FakeVault(port=before.port)
        self.vault.secrets, self.vault.live = before.secrets, before.live
        self.vault.lease = self.vault.token_ttl = 3600


def fork_worker(worker: Worker) -> "tuple[int, int]":
    """Run worker in a process of its own. Its id, and the end of a pipe with its result in JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        with os.fdopen(writing, "w") as pipe:
            json.dump(worker.run(), pipe)
        status = 0
    finally:
        os._exit(status)


def serve(plan: Plan, pipe: Connection) -> None:
    """Be Vault, in a process of its own: say what a job's environment is, and carry out plan."""
    storm = Storm(plan)
    job = environment(storm.vault, storm.identity)
    job["VAULT_CREDENTIALS"] = json.dumps({"ml_api_key": PATH, "db": LEASED_PATH})
    pipe.send(job)
    storm.run(pipe.recv())
    pipe.recv()  # the end of all


def prove(plan: Plan) -> List[Result]:
    """Carry out plan. What each worker saw."""
    # A fork would give the servers' sockets to the workers, and so keep them open.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(plan, theirs), daemon=True)
    server.start()
    job = ours.recv()
    with mock.patch.dict(os.environ, job):
        vault = vc.VaultCredentials(ttl=plan.ttl)
        vault.read()
        begun = time.monotonic() + 0.5
        workers = [fork_worker(Worker(plan, vault, begun)) for _ in range(plan.workers)]
        ours.send(begun)
        results = []
        for child, pipe in workers:
            with os.fdopen(pipe) as said:
                results.append(Result(*json.load(said)))
            os.waitpid(child, 0)
        vault.close()
    ours.send("the end")
    server.join()
    return results


def problems(plan: Plan, results: Sequence[Result]) -> List[str]:
    """What is wrong with results, but for their time."""
    found = [failure for result in results for failure in result.failures]
    reads = sum(result.reads for result in results)
    if reads < plan.reads:
        found.append(f"only {reads} reads of {plan.reads}")
    versions = [f"version {number}" for number in range(len(plan.rotations) + 1)]
    found += [f"a worker saw {each.seen}" for each in results if each.seen != versions]
    # A lease is not taken along by a fork.
    found += [f"callers of a worker asked {each.asked} times" for each in results if each.asked > 1]
    return found


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Read while Vault is rotated, restarted and away.")
    parser.add_argument("--short", action="store_true", help="in eight seconds")
    plan = SHORT if parser.parse_args(arguments).short else LONG
    results = prove(plan)
    found = problems(plan, results)
    reads = sum(result.reads for result in results)
    slowest = max(result.slowest for result in results)
    failures = sum(len(result.failures) for result in results)
    print(
        f"{reads} reads by {plan.threads} threads in {plan.workers} forked workers, through"
        f" {len(plan.rotations)} rotations, a restart and an outage of"
        f" {plan.outage[1] - plan.outage[0]:.0f} s: {failures} failed,"
        f" the slowest took {slowest * 1000:.1f} ms"
    )
    if slowest > QUICK:
        found.append(f"a read took more than {QUICK * 1000:.0f} ms")
    for problem in found[:20]:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
