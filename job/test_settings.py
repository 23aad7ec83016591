"""Tests of the settings, the identity and the command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any, List, Tuple
from unittest import mock

import vault_credentials as vc
from stand_ins import (
    AUDIENCE,
    CANARY,
    CLIENT_ID,
    LEASED_PATH,
    LOGIN,
    NO_TEXTS,
    OTHER_CLIENT_ID,
    OTHER_PATH,
    PATH,
    VALUE,
    Answer,
    TestCase,
    certificates,
    make_jwt,
)
from vault_credentials import transport
from vault_credentials.__main__ import main


class SettingsTest(TestCase):
    """One valid environment; each case breaks one thing."""

    def test_each_wrong_setting_is_named_and_nothing_is_sent(self) -> None:
        not_pem = certificates() / "not.pem"
        not_pem.write_text("nothing")
        form, clean = "VAULT_CREDENTIALS is not a JSON object", "not a clean API path"
        rows: List[Tuple[str, str, List[Any]]] = [
            ("VAULT_ADDR", "VAULT_ADDR is not set", [None, "", " "]),
            (
                "VAULT_ADDR",
                "VAULT_ADDR is not a URL",
                ["vault:8200", "https://vault:port", "https://vault:99999"],
            ),
            (
                "VAULT_ADDR",
                "VAULT_ADDR is not a URL",
                ["https://[::1", "file:///etc/passwd", "https://", "https://x:0"],
            ),
            (
                "VAULT_ADDR",
                "cannot be sent",
                ["https://vault.example.com/a b", "https://v\u00e4ult"],
            ),
            (
                "VAULT_ADDR",
                "plain http to vault",
                ["http://vault.example.com:8200", "http://vault"],
            ),
            (
                "VAULT_ADDR",
                "plain http to 1",
                ["http://127.0.0.1.example.com", "http://169.254.169.254", "http://10.0.0.1"],
            ),
            (
                "VAULT_ADDR",
                "VAULT_ADDR ends in /v1",
                ["https://vault.example.com/v1", "https://v.example.com/proxy/v1/"],
            ),
            (
                "VAULT_ADDR",
                "more than scheme, host",
                [f"https://user:{CANARY}@v.test", f"https://v.test?token={CANARY}"],
            ),
            ("VAULT_LOGIN_PATH", "VAULT_LOGIN_PATH is not set", [None]),
            (
                "VAULT_LOGIN_PATH",
                "not like auth/jwt/login",
                ["jwt", "auth/../sys/login", "auth//login", "auth/jwt/login/x"],
            ),
            ("VAULT_ROLE", "VAULT_ROLE is not set", [None]),
            ("VAULT_AUDIENCE", "VAULT_AUDIENCE is not set", [" "]),
            (
                "VAULT_CREDENTIALS",
                form,
                [
                    None,
                    "{}",
                    PATH,
                    f'["{PATH}"]',
                    '[["a", "b/c"]]',
                    '{"a": ',
                    '{"a": ' + "[" * 99999,
                ],
            ),
            (
                "VAULT_CREDENTIALS",
                "is empty or cannot be printed",
                [f'{{"": "{PATH}"}}', f'{{"a\\n": "{PATH}"}}'],
            ),
            (
                "VAULT_CREDENTIALS",
                "has an entry 'a' twice",
                [f'{{"a": "{PATH}", "a": "{OTHER_PATH}"}}'],
            ),
            (
                "VAULT_CREDENTIALS",
                clean,
                ['{"a": 1}', '{"a": {"b": "c/d"}}', '{"a": "ml_api_key"}', f'{{"a": "v1/{PATH}"}}'],
            ),
            (
                "VAULT_CREDENTIALS",
                clean,
                ['{"a": "secret/data/../../sys/raw"}', '{"a": "a//b"}', '{"a": "a/b\\u0007"}'],
            ),
            (
                "VAULT_CREDENTIALS",
                clean,
                [
                    '{"a": {"path": "b/c", "parameters": 7}}',
                    '{"a": {"path": "b/c", "parameters": [["x", 1]]}}',
                    '{"a": {"path": "b/c", "parameter": {}}}',
                    '{"a": {"path": "../c"}}',
                    '{"a": {"parameters": {}}}',
                ],
            ),
            ("VAULT_MAX_STALE", "VAULT_MAX_STALE is not a number of seconds", ["-1", "x", "1h"]),
            ("VAULT_NAMESPACE", "VAULT_NAMESPACE", ["a\nb"]),
            ("VAULT_CACERT", "cannot be read", ["/nowhere/ca.pem"]),
            ("VAULT_CACERT", "holds no certificate", [str(not_pem)]),
            (
                "VAULT_TIMEOUT",
                "VAULT_TIMEOUT is not a number of seconds",
                ["soon", "\u0661", "-1", "1e3"],
            ),
            (
                "VAULT_DEADLINE",
                "VAULT_DEADLINE is not a number of seconds",
                ["0", "inf", "nan", "9" * 5000, "86401"],
            ),
            ("VAULT_LOGIN", "VAULT_LOGIN is 'azure'", ["azure"]),
        ]
        for variable, message, values in rows:
            for value in values:
                with self.subTest(variable, value=value and value[:40]), mock.patch.dict(
                    os.environ
                ):
                    os.environ.pop(variable, None)
                    os.environ.update({} if value is None else {variable: value})
                    self.refused(vc.SettingsError, message)
        self.assertEqual(self.identity.requests + self.vault.requests, [])

    def test_every_problem_is_reported_at_once(self) -> None:
        os.environ.update(
            VAULT_ADDR="",
            VAULT_ROLE="",
            VAULT_TIMEOUT="x",
            VAULT_CREDENTIALS="[]",
            VAULT_CACERT="/x",
        )
        names = ("VAULT_ADDR", "VAULT_ROLE", "VAULT_TIMEOUT", "VAULT_CREDENTIALS", "VAULT_CACERT")
        self.refused(vc.SettingsError, *names)

    def test_a_ca_is_found_beside_the_package_whatever_the_working_directory_is(self) -> None:
        package = pathlib.Path(vc.__file__).parent
        with tempfile.TemporaryDirectory() as code:
            shutil.copytree(package, pathlib.Path(code, "vault_credentials"))
            shutil.copy(certificates() / "ca.pem", pathlib.Path(code, "vault-ca.pem"))
            elsewhere = pathlib.Path(code, "elsewhere")
            elsewhere.mkdir()
            environment = {**os.environ, "PYTHONPATH": code, "VAULT_CACERT": "vault-ca.pem"}
            read = [sys.executable, "-m", "vault_credentials"]
            subprocess.run(read, cwd=elsewhere, env=environment, check=True, capture_output=True)

    def test_what_is_ignored_makes_no_difference(self) -> None:
        os.environ.update(VAULT_TOKEN=CANARY, VAULT_SKIP_VERIFY="true", VAULT_MOUNT="x")
        self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)
        self.assertNotIn(
            CANARY, [request.headers.get("x-vault-token") for request in self.vault.requests]
        )


class IdentityTest(TestCase):
    def refused(self, kind: Any, *words: str, asked: int = 0, **named: Any) -> None:
        """Expect a refusal before anything is sent to Vault, after so many calls for a token."""
        self.identity.requests.clear()
        super().refused(kind, *words, **named)
        self.assertEqual((len(self.identity.requests), self.vault.requests), (asked, []))

    def test_on_a_laptop_the_first_error_says_that_there_is_no_identity_and_what_to_do(
        self,
    ) -> None:
        with mock.patch.dict(os.environ, clear=True):
            self.refused(
                vc.IdentityError,
                "no managed identity here",
                "run inside an Azure ML job",
                "VAULT_LOGIN=az-cli",
            )
        del os.environ["MSI_SECRET"]
        self.refused(vc.IdentityError, "no managed identity here")

    def test_without_a_client_id_nothing_is_asked_because_a_users_token_could_come_back(
        self,
    ) -> None:
        for variable, value in (
            ("X", ""),
            ("DEFAULT_IDENTITY_CLIENT_ID", "clientid"),
            ("AZURE_CLIENT_ID", "None"),
        ):
            with mock.patch.dict(os.environ, {variable: value}):
                if not value:
                    del os.environ["DEFAULT_IDENTITY_CLIENT_ID"]
                expected = (
                    f"{value!r} and not a client id" if value else "AZURE_CLIENT_ID is not set"
                )
                self.refused(
                    vc.IdentityError, expected, "a user's token", "attach the job identity"
                )

    def test_the_endpoint_must_be_plain_http_on_this_machine_or_link_local(self) -> None:
        loopback, user = "http://127.0.0.1", f"http://user:{CANARY}@127.0.0.1/"
        for endpoint in (
            *(
                "file:///etc/passwd",
                "https://127.0.0.1/",
                "http://10.0.0.1/token",
                "http://identity.example.com/",
            ),
            *(
                f"{loopback}.example.com/",
                user,
                f"{loopback}:port/",
                "http://[::1",
                f"{loopback}/\u00e4",
                "127.0.0.1",
            ),
        ):
            with self.subTest(endpoint), mock.patch.dict(os.environ, MSI_ENDPOINT=endpoint):
                self.refused(
                    vc.IdentityError, "not plain http to this machine or a link-local address"
                )
        for endpoint in (
            "http://169.254.128.1:2377/x",
            "http://[fe80::1]/",
            "http://[::1]:1/",
            "http://localhost/",
        ):
            with mock.patch.dict(os.environ, MSI_ENDPOINT=endpoint):
                self.client()

    def test_a_token_that_is_not_the_jobs_or_not_for_vault_never_reaches_vault(self) -> None:
        opaque = "without a token that can be read"
        for token, words in (
            (
                make_jwt(appid=OTHER_CLIENT_ID),
                f"of client {OTHER_CLIENT_ID} instead of {CLIENT_ID}",
            ),
            (make_jwt(scp="user_impersonation"), "of a user"),
            *((make_jwt(appid=owner), "names no application") for owner in NO_TEXTS),
            (
                make_jwt(aud="https://management.azure.com/"),
                "for https://management.azure.com/ and not for",
            ),
            (make_jwt(aud=AUDIENCE + "/"), "workload.audience"),
            *((make_jwt(aud=meant), "and not for") for meant in NO_TEXTS),
            *(
                (token, opaque)
                for token in (
                    f"opaque-{CANARY}",
                    f"a.\u00e9.{CANARY}",
                    f"a.W10.{CANARY}",
                    f"a.!.{CANARY}",
                )
            ),
            *(
                (token, opaque)
                for token in (
                    None,
                    7,
                    "",
                    "a.b",
                    [CANARY],
                    {"a": CANARY},
                    make_jwt() + "\n",
                    "a.e30.b",
                )
            ),
        ):
            with self.subTest(words, token=token):
                self.identity.token = token
                self.refused(vc.IdentityError, words, asked=1)
        os.environ["AZURE_CLIENT_ID"] = "none"
        self.identity.token = make_jwt(scp="user_impersonation")
        self.refused(vc.IdentityError, "of a user", "instead of a managed identity", asked=1)

    def test_an_identity_that_is_not_attached_is_explained_and_not_retried(self) -> None:
        for answer in (
            Answer(400, {"message": CANARY}),
            Answer(302, headers=(("Location", self.vault.url),)),
        ):
            self.identity.answers = [answer]
            status = f"status {answer.status}"
            self.refused(
                vc.IdentityError, status, CLIENT_ID, AUDIENCE, "attached to the compute", asked=1
            )

    def test_a_passing_failure_is_retried_and_a_lasting_one_explained(self) -> None:
        self.identity.answers = [Answer(500, CANARY)] * 99
        self.refused(
            vc.UnreachableError, "managed identity endpoint", "500", asked=transport.ATTEMPTS
        )
        self.identity.answers = [Answer(500), Answer(429), Answer(503)]
        vc.read_credentials()

    def test_the_azure_cli_is_asked_only_when_told_to_and_gives_a_persons_token(self) -> None:
        person = make_jwt(
            appid="04b07795-8ddb-461a-bbee-02f9e1bf7b46", scp="user_impersonation", oid="a-person"
        )
        with self.azure_cli(f'echo "$@" > "$0.args"; echo {person}') as az:
            vc.read_credentials(login="az-cli")
            self.assertEqual(json.loads(self.vault.asked(LOGIN)[0].body)["jwt"], person)
            self.assertIn(
                f"account get-access-token --query accessToken -o tsv --resource {AUDIENCE}",
                az.args(),
            )
            for variable in ("MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID"):
                del os.environ[variable]
            os.environ["VAULT_LOGIN"] = "az-cli"
            vc.read_credentials()
        self.assertEqual(self.identity.requests, [])

    def test_what_the_azure_cli_lacks_is_said(self) -> None:
        os.environ["VAULT_LOGIN"] = "az-cli"
        for script, kind, words in (
            (
                f"echo Please run 'az login' {CANARY} >&2; exit 1",
                vc.IdentityError,
                "run `az login`",
            ),
            (
                f"echo AADSTS65001: {CANARY} >&2; exit 1",
                vc.IdentityError,
                "AADSTS65001: see docs/deploy.md",
            ),
            (
                f"echo {make_jwt(aud='https://graph.microsoft.com')}",
                vc.IdentityError,
                "and not for",
            ),
            (f"printf '\\377{CANARY}'", vc.IdentityError, "without a token"),
            ("exec sleep 20", vc.UnreachableError, "no token in time"),
        ):
            with self.subTest(script), self.azure_cli(script):
                os.environ["VAULT_DEADLINE"] = "0.3" if "sleep" in script else "60"
                self.refused(kind, words)
        with mock.patch.dict(os.environ, PATH="/nowhere"):
            self.refused(vc.IdentityError, "az cannot be run")

    @contextlib.contextmanager
    def azure_cli(self, script: str) -> Any:
        """An `az` on PATH that runs a shell script; args() is what it was called with."""
        with tempfile.TemporaryDirectory() as folder:
            az = pathlib.Path(folder, "az")
            az.write_text(f"#!/bin/sh\n{script}\n")
            az.chmod(0o700)
            with mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"):
                yield mock.Mock(args=az.with_suffix(".args").read_text)

    def test_any_function_from_the_audience_to_a_token_will_do(self) -> None:
        identity = mock.Mock(return_value=make_jwt(appid=OTHER_CLIENT_ID))
        vc.read_credentials(login=identity)
        identity.assert_called_once_with(AUDIENCE)
        self.assertEqual(self.identity.requests, [])
        self.vault.requests.clear()

        def broken(audience: str) -> str:
            raise RuntimeError(f"no luck {CANARY}")

        for login, words in (
            (broken, "raised RuntimeError"),
            (lambda audience: CANARY, "without a token"),
        ):
            self.refused(vc.IdentityError, words, read=lambda: vc.read_credentials(login=login))


class CommandTest(TestCase):
    def run_main(self, *arguments: str, encoding: str = "utf-8") -> Tuple[int, str, str]:
        """Exit status, stdout and stderr of the command in this process."""
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        err = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(arguments)
        printed, complained = written(out), written(err)
        self.assertNotIn(CANARY, printed + complained)
        return status, printed, complained

    def test_check_reports_each_step(self) -> None:
        self.assertEqual(self.run_main(), (0, "ml_api_key: api_key, endpoint\n", ""))
        self.name(ml_api_key=PATH, db=LEASED_PATH)
        status, out, err = self.run_main("--check")
        self.assertEqual((status, err), (0, ""))
        steps = [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("ok")]
        self.assertEqual(steps, ["settings", "identity", "login", "read", "read"])
        self.assertIn("read: ml_api_key, version 1\n", out)
        self.assertRegex(out, r"read: db, until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\n")
        self.assertTrue(out.endswith("db: password, username\nml_api_key: api_key, endpoint\n"))

    def test_a_refusal_exits_1_with_one_line_and_wrong_settings_exit_2(self) -> None:
        self.vault.scripted[LOGIN] = [
            Answer(400, {"errors": [f"invalid audience (aud) claim {CANARY}"]})
        ]
        status, out, err = self.run_main()
        self.assertEqual((status, out, err.count("\n")), (1, "", 1))
        self.assertTrue(err.startswith("vault_credentials: "))
        os.environ["VAULT_ADDR"] = ""
        self.assertEqual(self.run_main()[0], 2)
        with self.assertRaises(SystemExit) as caught:
            self.run_main("--no-such-flag")
        self.assertEqual(caught.exception.code, 2)

    def test_a_refused_credential_keeps_the_command_from_no_other(self) -> None:
        self.name(gone="secret/data/x", ml_api_key=PATH, more="secret/data/y")
        status, out, err = self.run_main()
        self.assertEqual((status, out), (1, "ml_api_key: api_key, endpoint\n"))
        names = [line.split()[2] for line in err.splitlines()]
        self.assertEqual(names, ["'gone'", "'more'"])

    def test_nothing_is_printed_unfiltered_and_no_key_ends_the_command(self) -> None:
        self.vault.secrets[PATH] = {
            "a\nfake: line": VALUE,
            "b\x1b[31m": VALUE,
            "\u00fc\u65e5\ud800": VALUE,
            "\u202e": VALUE,
        }
        self.vault.token_type = f"batch\n{CANARY}"
        os.environ["VAULT_ROLE"] = "r%s{}"
        for encoding in ("utf-8", "ascii", "cp1252"):
            status, out, err = self.run_main("--check", encoding=encoding)
            self.assertEqual((status, out.count("\n"), err), (0, 5, ""))
            self.assertFalse(set("\x1b\u202e") & set(out))


def written(stream: io.TextIOWrapper) -> str:
    """What was written to a stream of bytes in memory."""
    stream.seek(0)
    return stream.read()
