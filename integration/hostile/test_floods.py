"""Floods of messages, subscriptions and PINGs by peers without the key, and what they hear of others: nothing."""

import os

import pytest
from siege import MEBIBYTE

pytestmark = pytest.mark.proxy_only

LITTLE = 24 * MEBIBYTE


def test_a_thousand_badly_signed_messages_are_one_line(siege):
    seen = siege.run("badly_signed", seconds=1, messages=1000)
    assert seen.events >= 1000
    seen.is_borne(LITTLE).is_counted(badly_signed=seen.events, misbehaved=seen.events // 3)
    seen.is_told_once("signature", "3 messages of the peer had to be refused")


def test_messages_that_are_none(siege):
    seen = siege.run("broken_messages", seconds=1, messages=500)
    seen.is_borne(LITTLE).is_counted(malformed=seen.events)


def test_an_overheard_message_is_not_run_again(siege):
    """Whoever listened on the wire has the message and its signature, but no key to make another."""
    frames = siege.honest.send("count = (count or 0) + 1")
    seen = siege.run("replayed", seconds=1, recorded=[frame.hex() for frame in frames], times=300)
    seen.is_borne(LITTLE).is_counted(replayed=seen.events).is_told_once("a message that has come before", "3 messages")
    assert siege.honest.run("assert(count == 1)") == "ok", "it was run again"


@pytest.mark.parametrize("attack", ["subscriptions", "old_subscriptions"])
def test_subscriptions_without_end(siege, attack):
    seen = siege.run(attack, seconds=1, connections=5)
    seen.is_borne(LITTLE).is_counted(too_many_subscriptions=1).is_told_once("too many or too long topics")


def test_pings_whose_answers_nobody_reads(siege):
    seen = siege.run("pings_that_nobody_reads", seconds=1)
    seen.is_borne(LITTLE).is_counted(unread_pongs=seen.events).is_told_once("sends PINGs and does not read the answers")


def test_a_client_with_the_key_that_reads_no_replies(siege):
    """Its replies wait, up to 64 MiB; then its connection is ended, which is more than 100,000 replies."""
    seen = siege.run("fast_requests", seconds=0, requests=20_000)
    seen.is_borne(64 * MEBIBYTE + LITTLE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_hears_nothing(siege):
    """Not even after the two seconds after which a listener without a client is matched by its user."""
    seen = siege.run("listens", user="nobody", seconds=0, patience=3)
    assert seen.events == 0
    assert siege.run("listens", seconds=0, patience=3).events > 0, "nor would anyone else, so this proves nothing"
