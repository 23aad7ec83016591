"""A short version of prove_load.py."""

from __future__ import annotations

import os
import unittest

import prove_load


@unittest.skipUnless(hasattr(os, "fork"), "Windows has no fork")
class LoadTest(unittest.TestCase):
    def test_no_read_of_many_workers_fails_through_rotations_a_restart_and_an_outage(self) -> None:
        plan = prove_load.SHORT
        self.assertEqual(prove_load.problems(plan, prove_load.prove(plan)), [])
