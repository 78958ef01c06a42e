"""Handshakes that lead nowhere: refused at once or at the deadline, counted, and told of once."""

import os

import pytest
from siege import LITTLE, MEBIBYTE

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


def test_what_comes_in_place_of_ready(siege):
    """Messages, other commands, and READYs with thousands of properties, absurd lengths, or the same property twice."""
    seen = siege.run("instead_of_ready", seconds=0.5)
    seen.is_borne(LITTLE).is_counted(bad_handshakes=seen.events, refused_connections=seen.events)
    assert siege.raised()["bad_handshakes"] == seen.events
    seen.is_told_once("bytes was announced")


def test_other_protocols(siege):
    seen = siege.run("no_greeting", seconds=0.5)
    seen.is_borne(LITTLE).is_counted(bad_handshakes=seen.events).is_told_once("does not speak ZeroMQ's protocol")


def test_identities_of_up_to_255_bytes_are_let_in(siege):
    seen = siege.run("identities", seconds=0.5)
    seen.is_borne(LITTLE).is_counted(bad_handshakes=seen.events).is_told_once("an identity of 256 bytes")


def test_a_slow_loris_at_each_byte_of_the_handshake(siege):
    seen = siege.run("slow_loris", seconds=0)
    seen.is_borne(LITTLE).is_counted(slow_handshakes=seen.events)
    seen.is_told_once("did not complete the handshake within 5s")


def test_ten_thousand_connects_and_resets(siege):
    """The system may have seen the reset before serve can take the connection; then there is nothing to be counted."""
    descriptors = open_files(siege)
    seen = siege.run("connects_and_resets", seconds=0, count=10_000)
    seen.is_borne(LITTLE + 16 * MEBIBYTE).is_counted(torn_handshakes=9_000)
    log = [line for line in siege.log() if "reason" in line["fields"]]
    # One for the user, and one for those of whom nobody could tell any more who they were.
    assert 1 <= len(log) <= 2, log
    wait_until(lambda: open_files(siege) <= descriptors + 5, 10, lambda: f"{open_files(siege)} files to become {descriptors} again")


def open_files(siege):
    return len(os.listdir(f"/proc/{siege.fleet.process.pid}/fd"))
