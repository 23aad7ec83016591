"""Tests of one read: what is asked, what comes back, and how a refusal is explained."""

from __future__ import annotations

import json
import os
from typing import Any, List, Tuple

import vault_credentials as vc
from stand_ins import (
    AUDIENCE,
    CANARY,
    CLIENT_ID,
    LOGIN,
    MSI_SECRET,
    OTHER_CLIENT_ID,
    OTHER_PATH,
    PATH,
    REVOKE,
    VALUE,
    WRITTEN_PATH,
    Answer,
    FakeVault,
    TestCase,
    make_jwt,
)


class ReadingTest(TestCase):
    def test_a_job_gets_its_credentials_by_name(self) -> None:
        credentials = vc.read_credentials()
        self.assertEqual(dict(credentials["ml_api_key"]), {"api_key": VALUE, "endpoint": VALUE})
        self.assertEqual((list(credentials), len(credentials["ml_api_key"])), (["ml_api_key"], 2))
        (login,) = self.vault.asked(LOGIN)
        self.assertEqual(login.method, "POST")
        self.assertEqual(
            json.loads(login.body), {"role": "mlvault-dev", "jwt": self.identity.token}
        )
        self.assertNotIn("x-vault-token", login.headers)

    def test_a_job_can_read_some_and_nothing_else_is_asked_for(self) -> None:
        self.name(ml_api_key=PATH, db=OTHER_PATH)
        self.assertEqual(list(vc.read_credentials("ml_api_key")), ["ml_api_key"])
        self.assertEqual(self.vault.asked(OTHER_PATH), [])
        self.vault.requests.clear()
        self.refused(vc.SettingsError, "no credential 'x'", read=lambda: vc.read_credentials("x"))
        self.assertEqual(self.vault.requests, [])

    def test_a_credential_says_its_version_and_path_and_one_without_a_version_is_read_alike(
        self,
    ) -> None:
        kinds: List[Any] = [
            ({"data": {"k": VALUE}, "metadata": {"version": stated}}, version)
            for stated, version in (
                (7, 7),
                (None, None),
                ("7", None),
                (True, None),
                (-1, None),
                (1.5, None),
            )
        ]
        for data, version in [*kinds, ({"k": VALUE}, None)]:
            self.vault.scripted[PATH] = [
                Answer(200, {"data": data, "lease_id": "", "lease_duration": 2764800})
            ]
            credential = vc.read_credentials()["ml_api_key"]
            self.assertEqual(
                (credential.version, credential.path, credential.expires_at), (version, PATH, None)
            )
            self.assertEqual(dict(credential), {"k": VALUE})

    def test_the_identity_is_asked_as_azure_ml_wants_it_and_newer_hosts_by_their_own_protocol(
        self,
    ) -> None:
        os.environ.update(
            IDENTITY_ENDPOINT=f"{self.identity.url}/token?x=1", IDENTITY_HEADER=MSI_SECRET
        )
        vc.read_credentials()
        del os.environ["MSI_ENDPOINT"]
        vc.read_credentials()
        first, second = self.identity.requests
        self.assertEqual((first.path, first.headers["secret"]), ("/MSI/token", MSI_SECRET))
        self.assertEqual(
            first.query, {"api-version": "2017-09-01", "resource": AUDIENCE, "clientid": CLIENT_ID}
        )
        wanted = {
            "x": "1",
            "api-version": "2019-08-01",
            "resource": AUDIENCE,
            "client_id": CLIENT_ID,
        }
        self.assertEqual((second.query, second.headers["x-identity-header"]), (wanted, MSI_SECRET))

    def test_an_explicit_client_id_goes_before_the_default_one_and_kubernetes_compute_says_none(
        self,
    ) -> None:
        self.identity.token = make_jwt(
            appid=None, azp=OTHER_CLIENT_ID.upper()
        )  # as v2 tokens name it
        for explicit, asked in ((OTHER_CLIENT_ID, OTHER_CLIENT_ID), ("none", None)):
            os.environ["AZURE_CLIENT_ID"] = explicit
            vc.read_credentials()
            self.assertEqual(self.identity.requests[-1].query.get("clientid"), asked)

    def test_a_path_that_takes_only_writes_is_read_by_its_parameters(self) -> None:
        parameters = {"common_name": "ml.test", "more": {"ttl": ["1h"]}}
        self.name(tls={"path": WRITTEN_PATH, "parameters": parameters}, ml_api_key=PATH)
        credentials = vc.read_credentials()
        self.assertEqual(credentials["tls"]["certificate"], "ml.test")
        self.assertEqual(credentials["ml_api_key"]["api_key"], VALUE)
        (request,) = self.vault.asked(WRITTEN_PATH)
        self.assertEqual((request.method, json.loads(request.body)), ("POST", parameters))

    def test_a_path_that_takes_only_writes_says_so_when_it_is_read(self) -> None:
        self.name(tls=WRITTEN_PATH)
        self.refused(vc.ReadError, "405", "not read but written to", "vault.reads")
        self.name(tls={"path": WRITTEN_PATH})
        self.refused(vc.ReadError, "Vault answered 400")

    def test_a_path_is_quoted_part_by_part(self) -> None:
        values = {
            "port": 5432,
            "hosts": ["a", "b"],
            "empty": "",
            "ü": None,
        }  # which may be any JSON
        self.vault.secrets["secret/data/a b/c?version=1"] = values
        self.name(c="secret/data/a b/c?version=1")
        self.assertEqual(dict(vc.read_credentials()["c"]), values)

    def test_the_namespace_goes_with_every_call_and_only_where_there_is_one(self) -> None:
        vc.read_credentials()
        self.assertTrue(
            all("x-vault-namespace" not in request.headers for request in self.vault.requests)
        )
        self.vault.requests.clear()
        os.environ["VAULT_NAMESPACE"] = "admin/ml"
        vc.read_credentials()
        self.assertEqual(
            {request.headers.get("x-vault-namespace") for request in self.vault.requests},
            {"admin/ml"},
        )

    def test_plain_http_to_this_machine_is_allowed(self) -> None:
        vault = self.closed(FakeVault(certificate=""))
        for host in ("127.0.0.1", "localhost"):
            os.environ["VAULT_ADDR"] = f"http://{host}:{vault.port}/"
            self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)

    def test_a_hundred_credentials_cost_one_login_and_two_connections(self) -> None:
        self.hundred()
        self.assertEqual(len(vc.read_credentials()), 100)
        self.assertEqual(len(self.vault.asked(LOGIN)), 1)
        self.assertLessEqual(self.vault.connections + self.identity.connections, 2)

    def test_a_service_token_is_revoked_after_the_last_read_and_a_batch_token_is_not(self) -> None:
        vc.read_credentials()
        self.assertEqual(self.vault.asked(REVOKE), [])
        self.vault.token_type = "service"
        for status in (400, 403, 503):  # a failure to revoke is none, and is tried once
            answer = Answer(status)
            self.vault.scripted[REVOKE] = [answer] * 2
            vc.read_credentials()
            last = self.vault.requests[-1]
            self.assertEqual((last.method, last.path), ("POST", f"/v1/{REVOKE}"))
            self.assertEqual(last.headers["x-vault-token"], self.vault.live[-1])
        self.vault.scripted[PATH] = [Answer(403, {"errors": ["permission denied"]})]
        self.refused(vc.ReadError)
        self.assertEqual(len(self.vault.asked(REVOKE)), 4)


class LoginTest(TestCase):
    def test_each_refusal_is_explained_and_not_retried(self) -> None:
        # The texts are those of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11, canaries apart.
        for text, advice in (
            (
                "error validating token: invalid audience (aud) claim: it does not match",
                "wrong audience",
            ),
            (
                "audience claim found in JWT but no audiences bound to the role",
                "bound to no audience",
            ),
            ("error validating token: invalid issuer (iss) claim", "trusts another issuer"),
            (
                'error validating claims: claim "oid" does not match any bound claim values',
                "principalIds",
            ),
            ('role "mlvault-dev" could not be found', "no such role"),
            (
                "error validating token: invalid expiration time (exp) claim: token is expired",
                "clocks",
            ),
            (
                "error validating token: invalid not before (nbf) claim: token not yet valid",
                "clocks",
            ),
            (
                "error validating token: invalid issued at (iat) claim: token issued in the future",
                "clocks",
            ),
            ("error validating token: error verifying token signature: failed", "no trusted key"),
            ("error configuring token validator: no keys", "run pulumi up"),
            ("could not load configuration", "run pulumi up"),
            ("something new", "compare login path, VAULT_NAMESPACE, role"),
        ):
            with self.subTest(text):
                self.vault.requests.clear()
                self.vault.scripted[LOGIN] = [Answer(400, {"errors": [f"{text} {CANARY}"]})]
                claims = (
                    f"aud={AUDIENCE}",
                    "oid=the-principal",
                    "tid=the-tenant",
                    "iss=https://sts.windows.net/tenant/",
                )
                self.refused(vc.LoginError, LOGIN, "'mlvault-dev'", "status 400", advice, *claims)
                self.assertEqual(len(self.vault.requests), 1)


class ReadRefusalTest(TestCase):
    def test_each_refusal_is_explained_and_not_retried(self) -> None:
        gone = {
            "data": {
                "data": None,
                "metadata": {"deletion_time": "2030-01-01T00:00:00Z", "version": 3},
            }
        }
        for answer, advice in (
            (
                Answer(403, {"errors": [f"permission denied {CANARY}"]}),
                "role 'mlvault-dev' grants no read",
            ),
            (Answer(404, {"errors": [CANARY]}), "there is none"),
            (Answer(404, gone), "its latest version was deleted: undelete it"),
            (Answer(200, gone), "its latest version was deleted: undelete it"),
            (Answer(405, {"errors": [CANARY]}), "Vault answered 405"),
            (Answer(200, b"<html>portal</html>"), "VAULT_ADDR is Vault itself"),
        ):
            with self.subTest(advice):
                self.vault.requests.clear()
                self.vault.scripted[PATH] = [answer]
                self.refused(vc.ReadError, "'ml_api_key'", PATH, advice)
                self.assertEqual(len(self.vault.asked(PATH)), 1)

    def test_a_credential_that_is_granted_no_longer_is_named_with_what_helps_most_likely_first(
        self,
    ) -> None:
        self.name(ml_api_key=PATH, gone=OTHER_PATH)
        self.vault.scripted[OTHER_PATH] = [Answer(403, {"errors": ["permission denied"]})] * 2
        with self.assertRaises(vc.ReadError) as caught:
            vc.read_credentials()
        said = str(caught.exception)
        advice = (
            "'gone'",
            "grants it no longer",
            "of before a change",
            "run `make job` and submit again",
            'read_credentials("name")',
            "Only if the credential is new: run pulumi up",
        )
        self.assertEqual(sorted(advice, key=said.index), list(advice))
        self.assertEqual(list(vc.read_credentials("ml_api_key")), ["ml_api_key"])

    def test_whatever_a_change_of_the_stack_can_cause_names_make_job(self) -> None:
        again = "run `make job` and submit again"
        refused: List[Tuple[Any, str, int, str]] = [
            (vc.ReadError, PATH, 403, "permission denied"),
            (vc.ReadError, PATH, 404, ""),
            (vc.LoginError, LOGIN, 400, "invalid audience (aud) claim"),
            (vc.LoginError, LOGIN, 400, "error validating claims"),
            (vc.LoginError, LOGIN, 400, 'role "mlvault-dev" could not be found'),
            (vc.LoginError, LOGIN, 403, "permission denied"),
        ]
        for kind, path, status, words in refused:
            with self.subTest(path=path, words=words):
                self.vault.scripted[path] = [Answer(status, {"errors": [words]})]
                self.refused(kind, again)
        self.refused(vc.SettingsError, again, read=lambda: vc.read_credentials("new"))
        self.identity.answers = [Answer(400)]
        self.refused(vc.IdentityError, again)
        os.environ["VAULT_ADDR"] = "https://127.0.0.1:1"
        os.environ["VAULT_DEADLINE"] = "0.2"
        self.refused(vc.UnreachableError, again)

    def test_one_refused_credential_of_two_means_none(self) -> None:
        self.name(ml_api_key=PATH, other=OTHER_PATH)
        self.refused(vc.ReadError, "'other'")
