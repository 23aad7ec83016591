"""Tests of a client that lives: what it holds, for how long, and who renews it.

The states are those of vault_credentials/keeper.py. These clients have no background thread, so
that a test decides what happens when; test_background.py has those with one.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import unittest
from typing import Any, Callable, List
from unittest import mock

import vault_credentials as vc
from stand_ins import (
    LEASED_PATH,
    LOGIN,
    OTHER_PATH,
    PATH,
    RENEW,
    REVOKE,
    STATIC_PATH,
    VALUE,
    Answer,
    TestCase,
)
from vault_credentials import clock, session, transport


class LivingTest(TestCase):
    """One client for many reads."""

    def test_twenty_calls_cost_one_login_one_read_and_two_connections(self) -> None:
        vault = self.client()
        for _ in range(20):
            self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.asked(PATH))), (1, 1))
        self.assertEqual((self.vault.connections, self.identity.connections), (1, 1))

    def test_sixteen_threads_cost_one_login_and_two_connections(self) -> None:
        self.hundred()
        vault = self.client()
        found: List[str] = []

        def work() -> None:
            start.wait()
            found.extend(vault[name]["k"] for name in vault)

        start = threading.Barrier(16)
        run_all([work] * 16)
        self.assertEqual(found, [VALUE] * 1600)
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.requests)), (1, 101))
        self.assertEqual((self.vault.connections, self.identity.connections), (1, 1))

    def test_a_rotated_value_is_seen_within_ttl_and_at_once_after_refresh(self) -> None:
        vault = self.client(ttl=300)
        vault["ml_api_key"]
        self.vault.secrets[PATH], self.vault.versions[PATH] = {"api_key": "new"}, 2
        self.clock.added += 290
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.clock.added += 11
        self.assertEqual((vault["ml_api_key"]["api_key"], vault["ml_api_key"].version), ("new", 2))
        self.vault.secrets[PATH] = {"api_key": "newer"}
        self.assertEqual(vault.refresh("ml_api_key")["ml_api_key"]["api_key"], "newer")
        self.assertEqual(vault["ml_api_key"]["api_key"], "newer")

    def test_a_dead_token_costs_one_login_and_a_policy_that_refuses_no_more_than_that(self) -> None:
        vault = self.client(ttl=0)
        vault["ml_api_key"]
        self.vault.live.clear()
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)
        self.is_away(answer=Answer(403))
        for _ in range(5):
            self.refused(vc.ReadError, "grants no read", read=lambda: vault["ml_api_key"])
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)
        self.clock.added += session.PAUSE + 1
        self.refused(vc.ReadError, read=lambda: vault["ml_api_key"])
        self.assertEqual(len(self.vault.asked(LOGIN)), 3)

    def test_a_token_is_replaced_before_it_dies(self) -> None:
        vault = self.client(ttl=0)
        vault["ml_api_key"]
        self.clock.added += 601
        vault["ml_api_key"]
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.asked(PATH))), (2, 2))

    def test_a_connection_that_the_server_closed_costs_a_new_one_and_no_wait(self) -> None:
        vault = self.client(ttl=0)
        vault["ml_api_key"]
        for connection in self.vault._open:
            connection.shutdown(socket.SHUT_RDWR)
        vault["ml_api_key"]
        self.assertEqual((self.vault.connections, self.clock.waits), (2, []))

    def test_leaving_the_block_revokes_hangs_up_and_forgets(self) -> None:
        self.vault.token_type = "service"
        with vc.VaultCredentials(background=False) as vault:
            self.assertEqual(self.identity.requests + self.vault.requests, [])
            self.assertEqual(list(vault), ["ml_api_key"])
            self.assertEqual(("ml_api_key" in vault, "x" in vault), (True, False))
            vault["ml_api_key"]
        self.assertEqual(len(self.vault.asked(REVOKE)), 1)
        self.assertEqual((vault._keeper._entries, vault._keeper._session._token), ({}, None))
        self.assertEqual(vault.read()["ml_api_key"]["api_key"], VALUE)
        vault.close()
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)

    def test_a_thread_waits_for_another_no_longer_than_the_deadline(self) -> None:
        os.environ["VAULT_DEADLINE"] = "0.1"
        vault = self.client()
        self.another_asks(vault)
        begun = time.monotonic()
        self.refused(vc.UnreachableError, "another thread", read=lambda: vault["ml_api_key"])
        self.assertLess(time.monotonic() - begun, 1.1)

    def test_a_refresh_whose_thread_is_lost_is_begun_anew_after_the_deadline(self) -> None:
        vault = self.client()
        self.another_asks(vault)
        self.clock.added += 131
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)

    def test_one_failed_refresh_is_shared_by_all_who_wait(self) -> None:
        self.is_away(LOGIN)
        vault = self.client()
        errors: List[str] = []
        entered = threading.Event()

        def wait_a_moment(seconds: float) -> None:
            entered.set()
            time.sleep(0.1)

        def work() -> None:
            with self.assertRaises(vc.UnreachableError) as caught:
                vault["ml_api_key"]
            errors.append(str(caught.exception))

        with mock.patch.object(clock, "sleep", wait_a_moment):
            first = threading.Thread(target=work)
            first.start()
            entered.wait()
            run_all([work] * 8)
            first.join()
        self.assertEqual((len(errors), len(set(errors))), (9, 1))
        self.assertEqual(len(self.vault.asked(LOGIN)), transport.ATTEMPTS)

    def test_a_hundred_threads_that_refresh_share_it(self) -> None:
        vault = self.client()
        vault["ml_api_key"]
        start = threading.Barrier(50)

        def work() -> None:
            start.wait()
            self.assertEqual(vault.refresh("ml_api_key")["ml_api_key"]["api_key"], VALUE)

        def slow() -> Answer:
            time.sleep(0.2)
            data = {"data": self.vault.secrets[PATH], "metadata": {"version": 1}}
            return Answer(body={"data": data})

        self.vault.scripted[PATH] = [slow] * 50
        run_all([work] * 50)
        self.assertLess(len(self.vault.asked(PATH)), 6)

    @unittest.skipUnless(hasattr(os, "fork"), "Windows has no fork")
    def test_a_forked_worker_has_a_login_and_a_connection_of_its_own(self) -> None:
        vault = self.client()
        vault["ml_api_key"]
        self.another_asks(vault)  # by whoever was reading in the parent
        child = os.fork()
        if not child:
            os._exit(0 if vault.refresh()["ml_api_key"]["api_key"] == VALUE else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual((self.vault.connections, len(self.vault.asked(LOGIN))), (2, 2))

    @unittest.skipUnless(hasattr(os, "fork"), "Windows has no fork")
    def test_a_fork_keeps_the_values_that_last_and_no_lease(self) -> None:
        self.name(ml_api_key=PATH, db=LEASED_PATH)
        vault = self.client()
        vault.read()
        child = os.fork()
        if not child:
            kept = [name for name in vault if vault._keeper.fresh(name)]
            os._exit(0 if kept == ["ml_api_key"] else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(vault["db"]["username"], "v-job-1")


class OutageTest(TestCase):
    """While Vault is away, the last value is given on purpose, and so long and no longer."""

    def test_the_last_value_is_given_for_max_stale_and_that_is_said_once(self) -> None:
        vault = self.client(ttl=300, max_stale=1000)
        vault["ml_api_key"]
        self.is_away()
        with self.assertLogs("vault_credentials", "WARNING") as log:
            for added in (301, 600, 1290):
                self.clock.added = added
                for _ in range(20):
                    self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(len(log.output), 1)
        self.assertIn("the last values are used", log.output[0])
        self.assertEqual(len(self.vault.asked(PATH)), 1 + 3)  # one try, and a pause before the next
        self.clock.added = 1301
        self.refused(vc.UnreachableError, "503", read=lambda: vault["ml_api_key"])

    def test_the_default_is_an_hour_a_variable_may_say_another_and_zero_is_never(self) -> None:
        for variable, option, lasts in (("", None, 3600), ("60", None, 60), ("60", 7, 7)):
            with self.subTest(variable=variable, option=option):
                os.environ["VAULT_MAX_STALE"] = variable
                self.is_back()
                self.clock.added = 0
                vault = self.client(ttl=300, max_stale=option)
                vault["ml_api_key"]
                self.is_away()
                self.clock.added = 300 + lasts - 1
                self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
                self.clock.added = 300 + lasts + 1
                self.refused(vc.UnreachableError, read=lambda: vault["ml_api_key"])
        os.environ["VAULT_MAX_STALE"] = "0"
        self.is_back()
        vault = self.client(ttl=300)
        vault["ml_api_key"]
        self.is_away()
        self.clock.added += 301
        self.refused(vc.UnreachableError, read=lambda: vault["ml_api_key"])

    def test_every_reason_that_is_vaults_own_is_an_outage(self) -> None:
        no_keys = {"errors": ["error configuring token validator: no keys"]}
        reasons: List[Any] = [
            (PATH, Answer(503, {"errors": ["Vault is sealed"]})),
            (PATH, Answer(500)),
            (PATH, Answer(429)),
            (PATH, Answer(412)),
            (PATH, Answer(472)),
            (PATH, Answer(473)),
            (PATH, Answer(307)),
            (PATH, Answer(200, b"<html>down for maintenance</html>")),
            (LOGIN, Answer(400, no_keys)),
        ]
        for path, answer in reasons:
            with self.subTest(path, status=answer.status):
                self.is_back()
                vault = self.client(ttl=300)
                vault["ml_api_key"]
                self.is_away(path, answer)
                self.clock.added += 901
                self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)

    def test_an_explicit_refusal_is_no_outage(self) -> None:
        for path, answer, kind in (
            (PATH, Answer(403, {"errors": ["permission denied"]}), vc.ReadError),
            (PATH, Answer(404, {"errors": []}), vc.ReadError),
            (LOGIN, Answer(400, {"errors": ['role "x" could not be found']}), vc.LoginError),
        ):
            with self.subTest(path, status=answer.status):
                self.is_back()
                vault = self.client(ttl=300)
                vault["ml_api_key"]
                self.is_away(path, answer)
                self.clock.added += 901
                self.refused(kind, read=lambda: vault["ml_api_key"])

    def test_refresh_wants_what_vault_says_now(self) -> None:
        vault = self.client()
        vault["ml_api_key"]
        self.is_away()
        self.refused(vc.UnreachableError, read=vault.refresh)
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)

    def test_a_second_caller_gets_the_held_value_at_once(self) -> None:
        vault = self.client(ttl=300)
        vault["ml_api_key"]
        self.clock.added += 301
        self.another_asks(vault)
        begun = time.monotonic()
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertLess(time.monotonic() - begun, 1)

    def test_an_outage_costs_one_try_for_a_hundred_values(self) -> None:
        self.hundred()
        vault = self.client(ttl=300)
        vault.read()
        asked = len(self.vault.requests)
        self.is_away("secret/data/many/c0")
        self.clock.added += 301
        self.assertEqual(len(vault.read()), 100)
        self.assertEqual(len(self.vault.requests) - asked, 1)

    def test_after_the_outage_the_new_value_is_seen(self) -> None:
        vault = self.client(ttl=300)
        vault["ml_api_key"]
        self.is_away()
        self.clock.added += 301
        vault["ml_api_key"]
        self.is_back()
        self.vault.secrets[PATH] = {"api_key": "new"}
        self.clock.added += session.PAUSE + 1
        self.assertEqual(vault["ml_api_key"]["api_key"], "new")


class LeaseTest(TestCase):
    """Values with a lease: never used past it, and read again in time by a client that lives."""

    def setUp(self) -> None:
        super().setUp()
        self.name(db=LEASED_PATH)

    def lasts(self, credential: vc.Credential) -> float:
        assert credential.expires_at is not None
        return (credential.expires_at - self.clock.utc()).total_seconds()

    def test_a_lease_says_when_it_ends_which_is_with_its_token_at_the_latest(self) -> None:
        huge = 10**400
        for lease, token, lasts in (
            (600, 900, 600),
            (3600, 900, 900),
            (3600, 0, 3600),
            (3600, "x", 3600),
            (huge, 900, 900),
        ):
            with self.subTest(lease=str(lease)[:9], token=token):
                self.vault.lease, self.vault.token_ttl = lease, token
                credential = vc.read_credentials()["db"]
                self.assertAlmostEqual(self.lasts(credential), lasts, delta=2)
                self.assertLessEqual(self.lasts(credential), lasts)
                self.assertEqual((credential.version, credential["password"]), (None, VALUE))

    def test_reading_once_leaves_the_lease_alive(self) -> None:
        self.vault.token_type = "service"
        vc.read_credentials()
        self.assertEqual(self.vault.asked(REVOKE), [])
        with vc.VaultCredentials() as vault:
            vault["db"]
        self.assertEqual(len(self.vault.asked(REVOKE)), 1)

    def test_a_living_client_reads_again_at_two_thirds_and_no_earlier(self) -> None:
        vault = self.client(ttl=1)
        for added, user in (
            (0, "v-job-1"),
            (590, "v-job-1"),
            (20, "v-job-2"),
            (590, "v-job-2"),
            (20, "v-job-3"),
        ):
            self.clock.added += added
            self.assertEqual(vault["db"]["username"], user)
        # A lease lasts as long as its token, so each has a fresh one.
        self.assertEqual(len(self.vault.asked(LOGIN)), 3)

    def test_while_the_lease_holds_a_failure_is_none_and_after_it_no_value_is_given(self) -> None:
        vault = self.client(max_stale=86400)
        vault["db"]
        self.is_away(LOGIN)
        self.clock.added = 700
        self.assertEqual([vault["db"]["username"] for _ in range(20)], ["v-job-1"] * 20)
        # one try, and a pause before the next
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)
        self.clock.added = 901
        self.refused(vc.UnreachableError, "503", read=lambda: vault["db"])

    def test_nobody_waits_for_a_renewal_while_the_lease_holds(self) -> None:
        vault = self.client()
        vault["db"]
        self.clock.added = 700
        self.another_asks(vault)
        self.assertEqual(vault["db"]["username"], "v-job-1")

    def test_a_calendar_that_is_set_ends_no_lease_and_prolongs_none(self) -> None:
        vault = self.client()
        for off in (3600, -3600):
            vault.refresh()
            user = vault["db"]["username"]
            self.clock.calendar_is_off = off
            self.assertEqual(vault["db"]["username"], user)
        self.is_away(LOGIN)
        self.clock.added += 901
        self.refused(vc.UnreachableError, read=lambda: vault["db"])

    def test_a_lease_that_is_over_at_once_or_makes_no_sense_is_refused(self) -> None:
        for duration in (0, -5, True, "600", None, 1.5, [], {}):
            body = {"lease_id": "a/b", "lease_duration": duration, "data": {"k": VALUE}}
            self.vault.scripted[LEASED_PATH] = [Answer(200, body)]
            self.refused(vc.ReadError, "no duration that makes sense")

        def late() -> Answer:
            self.clock.added += 5
            return Answer(200, {"lease_id": "a/b", "lease_duration": 4, "data": {"k": VALUE}})

        self.vault.scripted[LEASED_PATH] = [late]
        self.refused(vc.ReadError, "its lease ended before it could be used")


class RenewalTest(TestCase):
    """A lease is prolonged as long as that is of use, and else the value is read anew."""

    def setUp(self) -> None:
        super().setUp()
        self.name(db=LEASED_PATH)
        self.vault.lease = 600
        self.vault.token_ttl = 7200

    def users(self, vault: vc.VaultCredentials, *later: float) -> List[str]:
        """The user that a caller gets now and each of so many seconds later than the last time."""
        users = []
        for seconds in (0.0, *later):
            self.clock.added += seconds
            users.append(vault["db"]["username"])
        return users

    def renewals(self) -> int:
        return len(self.vault.asked(RENEW))

    def lasts(self, vault: vc.VaultCredentials) -> float:
        expires_at = vault["db"].expires_at
        assert expires_at is not None
        return (expires_at - self.clock.utc()).total_seconds()

    def test_at_two_thirds_of_its_life_a_lease_is_renewed_and_the_value_stays(self) -> None:
        vault = self.client(ttl=1)
        self.assertEqual(self.users(vault, 390), ["v-job-1"] * 2)
        self.assertEqual(self.renewals(), 0)
        self.assertEqual(self.users(vault, 20, 390, 20, 390), ["v-job-1"] * 5)
        self.assertEqual((self.renewals(), self.vault.leases), (2, 1))
        (first, second) = self.vault.asked(RENEW)
        self.assertEqual(json.loads(first.body), {"lease_id": f"{LEASED_PATH}/1"})
        self.assertEqual(first.headers["x-vault-token"], self.vault.live[0])
        self.assertEqual(first.body, second.body)

    def test_a_renewed_value_is_whole_and_says_its_new_end(self) -> None:
        vault = self.client()
        before = vault["db"]
        self.clock.added += 401
        after = vault["db"]
        self.assertEqual((dict(after), after.path), (dict(before), LEASED_PATH))
        self.assertAlmostEqual(self.lasts(vault), 600, delta=2)
        self.assertLessEqual(self.lasts(vault), 600)

    def test_a_lease_that_is_not_renewable_is_read_anew_without_a_question(self) -> None:
        for renewable in (False, None, "true", 1):
            self.vault.scripted[LEASED_PATH] = [self.lent(renewable)]
            vault = self.client()
            self.assertEqual(self.users(vault, 401)[0], "scripted")
            self.assertNotEqual(self.users(vault), ["scripted"])
        self.assertEqual(self.renewals(), 0)

    def lent(self, renewable: Any) -> Answer:
        lease = {"lease_id": "a/b", "lease_duration": 600, "renewable": renewable}
        return Answer(200, {**lease, "data": {"username": "scripted"}})

    def test_a_lease_does_not_outlive_its_token(self) -> None:
        self.vault.token_ttl = 900
        vault = self.client()
        self.users(vault, 401)
        self.assertAlmostEqual(self.lasts(vault), 499, delta=2)
        # The token is due now, so there is a new one, and a lease of its own.
        self.assertEqual(self.users(vault, 390)[-1], "v-job-2")
        self.assertEqual(self.renewals(), 1)

    def test_a_refusal_is_remembered_and_costs_one_request(self) -> None:
        policy = Answer(403, {"errors": ["1 error occurred: * permission denied"]})
        for refusal in (policy, Answer(400, {"errors": ["lease is not renewable"]}), Answer(404)):
            with self.subTest(refusal.status):
                self.vault.requests.clear()
                self.vault.leases = 0
                self.vault.scripted[RENEW] = [refusal] * 9
                users = self.users(self.client(), 401, 401, 401)
                self.assertEqual(users, ["v-job-1", "v-job-2", "v-job-3", "v-job-4"])
                self.assertEqual((self.renewals(), len(self.vault.asked(LOGIN))), (1, 1))

    def test_a_policy_that_refuses_is_asked_once_for_all_and_an_engine_for_its_own(self) -> None:
        self.name(db=LEASED_PATH, other=LEASED_PATH)
        for status, questions in ((403, 1), (400, 2)):
            with self.subTest(status):
                self.vault.requests.clear()
                self.vault.scripted[RENEW] = [Answer(status)] * 9
                vault = self.client()
                for _ in range(4):
                    vault.read()
                    self.clock.added += 401
                self.assertEqual(self.renewals(), questions)

    def test_a_dead_token_is_no_refusal_of_the_policy(self) -> None:
        vault = self.client()
        self.users(vault)
        self.vault.live.clear()
        # The lease ended with the token. The new one is renewed.
        self.assertEqual(self.users(vault, 401, 401)[-2:], ["v-job-2", "v-job-2"])
        self.assertEqual(self.renewals(), 2)
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)

    def test_a_renewal_that_gives_little_is_followed_by_a_read(self) -> None:
        """As the engine's max_ttl comes near, or when an answer makes no sense."""
        for seconds in (299, 0, -1, True, "600", None, [], {}):
            with self.subTest(seconds=seconds):
                lease = {"lease_id": "x", "lease_duration": seconds, "renewable": True}
                self.vault.scripted[RENEW] = [Answer(200, lease)]
                vault = self.client()
                first, second = self.users(vault, 401)
                self.assertNotEqual(first, second)
                self.assertAlmostEqual(self.lasts(vault), 600, delta=2)
        self.vault.scripted[RENEW] = [Answer(200, {"lease_id": "x", "lease_duration": 301})]
        vault = self.client()
        first, second = self.users(vault, 401)
        self.assertEqual(first, second)

    def test_a_late_answer_counts_from_the_question_and_is_followed_by_a_read(self) -> None:
        def late() -> Answer:
            self.clock.added += 5
            return Answer(200, {"lease_id": "x", "lease_duration": 304, "renewable": True})

        self.vault.scripted[RENEW] = [late]
        self.assertEqual(self.users(self.client(), 401), ["v-job-1", "v-job-2"])

    def test_while_vault_is_away_the_lease_holds_and_no_longer(self) -> None:
        vault = self.client()
        self.users(vault)
        self.is_away(RENEW)
        self.assertEqual(self.users(vault, 401, 1, 1), ["v-job-1"] * 4)
        self.assertEqual(self.renewals(), 1)
        self.is_back()
        self.assertEqual(self.users(vault, session.PAUSE), ["v-job-1"] * 2)
        self.assertAlmostEqual(self.lasts(vault), 600, delta=2)
        self.is_away(RENEW)
        self.is_away(LEASED_PATH)
        self.clock.added += 601
        self.refused(vc.UnreachableError, "503", read=lambda: vault["db"])
        self.assertEqual(self.renewals(), 2)

    def test_refresh_reads_anew_because_a_service_refused_the_value(self) -> None:
        vault = self.client()
        self.users(vault, 401)
        self.assertEqual(vault.refresh("db")["db"]["username"], "v-job-2")
        self.assertEqual(self.renewals(), 1)


class StaticRoleTest(TestCase):
    """A static role's password changes at set times, which its ttl tells."""

    def setUp(self) -> None:
        super().setUp()
        self.name(db=STATIC_PATH)

    def test_it_says_when_vault_rotates_it(self) -> None:
        credential = self.client()["db"]
        assert credential.expires_at is not None
        lasts = (credential.expires_at - self.clock.utc()).total_seconds()
        self.assertAlmostEqual(lasts, 599, delta=2)

    def test_it_is_read_again_when_it_is_rotated_whatever_ttl_says(self) -> None:
        self.vault.rotates_in = 60
        vault = self.client(ttl=300)
        vault["db"]
        self.clock.added += 57
        vault["db"]
        self.assertEqual(len(self.vault.asked(STATIC_PATH)), 1)
        self.clock.added += 4
        self.vault.rotates_in = 0  # Vault is about to: then each call asks
        vault["db"]
        vault["db"]
        self.assertEqual(len(self.vault.asked(STATIC_PATH)), 3)
        self.vault.rotates_in = 60
        vault["db"]
        vault["db"]
        self.assertEqual(len(self.vault.asked(STATIC_PATH)), 4)

    def test_who_comes_after_the_rotation_waits_for_the_refresh(self) -> None:
        os.environ["VAULT_DEADLINE"] = "0.2"
        self.vault.rotates_in = 60
        vault = self.client(ttl=300)
        vault["db"]
        self.clock.added += 60
        self.another_asks(vault)
        self.clock.added -= 0.1
        self.refused(vc.UnreachableError, "another thread", read=lambda: vault["db"])

    def test_while_vault_is_away_it_rotates_nothing_and_the_last_value_is_given(self) -> None:
        self.vault.rotates_in = 60
        vault = self.client(ttl=300)
        vault["db"]
        self.is_away(STATIC_PATH)
        self.clock.added += 100
        self.assertEqual(vault["db"]["password"], VALUE)

    def test_a_ttl_of_somebodys_own_means_nothing(self) -> None:
        self.name(db=OTHER_PATH)
        self.vault.scripted[OTHER_PATH] = [Answer(body={"data": {"ttl": 1, "k": VALUE}})]
        self.assertIsNone(vc.read_credentials()["db"].expires_at)


def run_all(work: List[Callable[[], Any]]) -> None:
    """Run each in a thread of its own, and wait for all."""
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
