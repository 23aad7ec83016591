"""Tests that no value and no token is where it does not belong, and that errors of others pass."""

from __future__ import annotations

import contextlib
import copy
import gc
import http.client
import io
import json
import logging
import os
import pickle
import pprint
import signal
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

import vault_credentials as vc
from stand_ins import (
    CANARY,
    LEASED_PATH,
    LOGIN,
    MSI_SECRET,
    PATH,
    VALUE,
    Answer,
    TestCase,
    frames_of_client,
    lines_with_canary,
)
from vault_credentials import identity, session, transport
from vault_credentials.clock import Budget


class CredentialTest(TestCase):
    """A credential shows the names of its keys, and a value to whoever asks for it by name."""

    def setUp(self) -> None:
        super().setUp()
        self.credential = vc.read_credentials()["ml_api_key"]

    def test_a_value_is_a_plain_text_for_whoever_names_it(self) -> None:
        credential = self.credential
        self.assertEqual(credential["api_key"], VALUE)
        self.assertEqual(credential.keys(), ["api_key", "endpoint"])
        self.assertEqual(("api_key" in credential, "x" in credential), (True, False))
        self.assertEqual(dict(credential), {"api_key": VALUE, "endpoint": VALUE})
        with self.assertRaisesRegex(KeyError, "no key 'other', only \\['api_key', 'endpoint'\\]"):
            credential["other"]

    def test_printing_shows_keys_only(self) -> None:
        everything = {"ml_api_key": self.credential}
        for shown in (
            f"{everything} {self.credential} {self.credential!r}",
            "%s" % self.credential,
            pprint.pformat(everything),
        ):
            self.assertNotIn(CANARY, shown)
            self.assertIn("api_key", shown)

    def test_no_attribute_shows_a_value(self) -> None:
        credential = self.credential
        self.assertFalse(hasattr(credential, "__dict__"))
        attributes = {name: getattr(credential, name) for name in dir(credential)}
        self.assertNotIn(CANARY, f"{attributes}")

    def test_what_writes_mappings_down_takes_it_for_none(self) -> None:
        """As sentry's serializer, mlflow.log_params, and yaml's and json's representers do."""
        credential: Any = self.credential
        for kind in (Mapping, Sequence, dict, list, tuple):
            self.assertNotIsInstance(credential, kind)
        for name in ("items", "values", "update", "_asdict", "to_dict"):
            self.assertFalse(hasattr(credential, name), name)

    def test_json_pickle_and_yaml_refuse_it(self) -> None:
        writers: List[Callable[[Any], Any]] = [json.dumps, pickle.dumps, _as_yaml_does]
        for write in writers:
            with self.assertRaises(TypeError) as caught:
                write(self.credential)
            self.assertNotIn(CANARY, str(caught.exception))
        with self.assertRaisesRegex(TypeError, "send the VaultCredentials"):
            pickle.dumps({"nested": [self.credential]})

    def test_a_copy_of_a_configuration_with_one_in_it_is_possible(self) -> None:
        self.assertIs(copy.copy(self.credential), self.credential)
        self.assertIs(copy.deepcopy({"a": self.credential})["a"], self.credential)

    def test_the_variables_of_a_traceback_show_none(self) -> None:
        def train(credential: vc.Credential) -> None:
            credential["other"]

        with self.assertRaises(KeyError) as caught:
            try:
                train(self.credential)
            except KeyError as error:
                trace = traceback.TracebackException.from_exception(error, capture_locals=True)
                self.assertEqual(lines_with_canary("".join(trace.format())), [])
                self.assertIn("<Credential keys=", "".join(trace.format()))
                raise
        self.assertNotIn(CANARY, str(caught.exception))

    def test_an_error_tracker_that_takes_collections_apart_finds_none(self) -> None:
        vault = self.client()
        variables = {"vault": vault, "credentials": vault.read(), "inside": vars(vault)}
        shown = _as_a_tracker_does(variables)
        self.assertIn("'ml_api_key': <Credential", shown)
        self.assertEqual(lines_with_canary(shown), [])


def _as_yaml_does(thing: Any) -> None:
    """PyYAML asks an object of an unknown class for its state, as pickle does."""
    thing.__reduce_ex__(2)


def _as_a_tracker_does(thing: Any) -> str:
    """thing as sentry's serializer shows it: collections by their parts, all else by repr."""
    if isinstance(thing, Mapping):
        return "\n".join(f"{key!r}: {_as_a_tracker_does(thing[key])}" for key in thing)
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return "\n".join(_as_a_tracker_does(part) for part in thing)
    return repr(thing)


class SecrecyTest(TestCase):
    def test_a_token_that_no_header_can_carry_is_not_sent_and_not_shown(self) -> None:
        for token in (f"{CANARY}\r\nx: y", f"{CANARY} x", f"{CANARY}ü", "", 7, None, {"a": CANARY}):
            self.vault.scripted[LOGIN] = [Answer(body={"auth": {"client_token": token}})]
            self.refused(vc.LoginError, "without a token")
        os.environ["MSI_SECRET"] = f"{MSI_SECRET}\n{CANARY}"
        self.refused(vc.IdentityError, "cannot be sent")

    def test_ctrl_c_leaves_without_tokens_or_environment_wherever_it_comes(self) -> None:
        interrupted = 0
        places: List[Tuple[Any, str]] = [
            (transport._Wire, "readinto"),
            (transport._Wire, "sendall"),
            (transport, "parse_object"),
            (transport, "_answer"),
            (identity, "_meant_for"),
            (identity, "parse_claims"),
            (session, "Token"),
            (session, "public_claims"),
            (session, "Credential"),
            (session, "Reading"),
        ]
        for place, name in places:
            for turn in range(4):
                calls: List[Any] = []
                whole = getattr(place, name)

                def interrupt(*arguments: Any, **named: Any) -> Any:
                    calls.append(arguments)
                    if len(calls) > turn:
                        raise KeyboardInterrupt
                    return whole(*arguments, **named)

                with self.subTest(name=name, turn=turn), mock.patch.object(place, name, interrupt):
                    with contextlib.suppress(KeyboardInterrupt):
                        vc.read_credentials()
                    if len(calls) > turn:
                        calls.clear()
                        self.refused(KeyboardInterrupt)
                        interrupted += 1
        self.assertGreaterEqual(interrupted, 15)

    def test_http_clients_debugging_prints_nothing_of_ours(self) -> None:
        self.vault.token_type = "service"
        out = io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(http.client.HTTPConnection, "debuglevel", 1))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(out))
            vc.read_credentials()
        self.assertEqual(out.getvalue(), "")

    def test_a_connection_never_connects_by_itself_which_would_be_without_tls(self) -> None:
        connection = transport._Connection(mock.Mock(), Budget(1, 1))
        connection.close()
        with self.assertRaises(http.client.NotConnected):
            connection.request("GET", "/")

    def test_the_log_of_an_outage_carries_no_secret(self) -> None:
        vault = self.client(ttl=1)
        vault["ml_api_key"]
        self.is_away(answer=Answer(503, {"errors": [CANARY]}))
        self.clock.added += 2
        with self.assertLogs("vault_credentials", logging.DEBUG) as log:
            vault["ml_api_key"]
        self.assertNotIn(CANARY, "".join(log.output))

    def test_after_a_close_no_value_and_no_token_is_in_memory(self) -> None:
        self.vault.token_type = "service"
        self.name(db=LEASED_PATH)
        vault = vc.VaultCredentials()
        vault.read()
        keeper = vault._keeper
        vault.close()
        self.assertEqual((keeper._entries, keeper._session._token), ({}, None))
        if keeper._thread:
            keeper._thread.join(10)
        del keeper
        gc.collect()
        held = [thing for thing in gc.get_objects() if isinstance(thing, vc.Credential)]
        self.assertEqual([each for each in held if each.path == LEASED_PATH], [])


class JobsTimeLimit(Exception):
    """What a job's own handler raises."""


class OthersErrorsTest(TestCase):
    """What a signal's handler raises passes through untouched and at once."""

    def interrupt_with(self, error: BaseException) -> Tuple[BaseException, float]:
        """What a read raises whose signal's handler raises error, and the seconds until then."""

        def handler(signum: int, frame: Any) -> None:
            raise error

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            begun = time.monotonic()
            vc.read_credentials()
        except BaseException as raised:
            self.assertIn("handler", traceback.extract_tb(raised.__traceback__)[-1].name)
            self.assertEqual(lines_with_canary(frames_of_client(raised)), [])
            return raised, time.monotonic() - begun
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        self.fail("the read came to an end")

    def test_wherever_it_comes_and_of_whatever_type(self) -> None:
        def slow() -> Answer:
            time.sleep(1)
            return Answer(500)

        places: Dict[str, Any] = {
            LOGIN: self.vault.scripted,
            PATH: self.vault.scripted,
        }
        for path in places:
            for error in (
                JobsTimeLimit("over"),
                TimeoutError("over"),
                ConnectionResetError("over"),
                OSError(110, "over"),
                ValueError("over"),
                http.client.HTTPException("over"),
                SystemExit(3),
            ):
                with self.subTest(path, error=type(error).__name__):
                    self.vault.scripted = {path: [slow]}
                    raised, seconds = self.interrupt_with(error)
                    self.assertIs(raised, error)
                    self.assertLess(seconds, 0.9)

    def test_with_its_own_cause_and_without_ours(self) -> None:
        cause = RuntimeError("the scheduler said so")
        limit = JobsTimeLimit("over")
        limit.__cause__ = cause
        self.vault.scripted[PATH] = [lambda: time.sleep(1) or Answer(500)]  # type: ignore
        raised, _ = self.interrupt_with(limit)
        self.assertIs(raised.__cause__, cause)

    def test_also_while_it_waits_for_another_thread_and_while_a_name_is_looked_up(self) -> None:
        self.use(mock.patch("socket.getaddrinfo", lambda *_, **__: time.sleep(1)))
        os.environ["VAULT_ADDR"] = "https://vault.test"
        limit = TimeoutError("over")
        raised, seconds = self.interrupt_with(limit)
        self.assertIs(raised, limit)
        self.assertLess(seconds, 0.9)

    def test_also_in_a_login_function_of_the_callers(self) -> None:
        def login(audience: str) -> str:
            time.sleep(1)
            return ""

        limit = JobsTimeLimit("over")
        with mock.patch.object(vc, "read_credentials", lambda: read(login=login)):
            raised, _ = self.interrupt_with(limit)
        self.assertIs(raised, limit)

    def test_the_next_read_is_as_good_as_ever(self) -> None:
        vault = self.client()
        self.vault.scripted[PATH] = [lambda: time.sleep(0.5) or Answer(500)]  # type: ignore
        limit = JobsTimeLimit("over")
        with mock.patch.object(vc, "read_credentials", vault.read):
            self.assertIs(self.interrupt_with(limit)[0], limit)
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)

    def test_a_real_ctrl_c_in_the_middle_of_an_answer(self) -> None:
        def interrupt() -> Answer:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            return Answer(500)

        self.vault.scripted[PATH] = [interrupt]
        # A shell lets its background jobs ignore the signal, and these tests may be one.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.refused(KeyboardInterrupt)


read = vc.read_credentials
