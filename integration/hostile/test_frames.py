"""Strangers that announce, cut up and order what nobody may: each is cut, counted, and told of once."""

import pytest
from siege import MEBIBYTE

pytestmark = pytest.mark.proxy_only

# Nothing is reserved for what is only announced: what is left are the buffers of some hundred short connections.
LITTLE = 24 * MEBIBYTE


def test_announced_lengths_are_not_believed(siege):
    seen = siege.run("lengths", seconds=1)
    assert seen.events >= 5 * 3 * 8
    seen.is_borne(LITTLE).is_counted(bad_frames=seen.events, refused_connections=seen.events)
    seen.is_told_once("bytes was announced; the limit is")


def test_a_message_is_refused_at_the_frame_that_makes_it_too_long(siege):
    """Strangers may send 16 MiB in one message: what comes before the last frame is kept, for three channels in turn."""
    seen = siege.run("long_sums", seconds=0)
    seen.is_borne(LITTLE + 32 * MEBIBYTE).is_counted(bad_frames=seen.events).is_told_once("a message of more than")


@pytest.mark.parametrize("channel", ["shell", "iopub", "hb"])
def test_a_million_empty_parts(siege, channel):
    seen = siege.run("empty_parts", seconds=1, channel=channel)
    seen.is_borne(LITTLE).is_counted(bad_frames=seen.events).is_told_once("frames")


def test_empty_parts_that_stall_are_counted_as_memory(siege):
    """An empty frame takes 32 bytes here. 300 connections would hold 150 MiB; strangers of one user get 32 of them."""
    seen = siege.run("stalled_parts", seconds=0, connections=300)
    assert seen.events > 100, "most were to be refused"
    seen.is_borne(64 * MEBIBYTE).is_counted(too_many_strangers=seen.events)
    seen.is_told_once("that have not authenticated themselves sent")


def test_commands_that_do_not_parse(siege):
    seen = siege.run("short_commands", seconds=1)
    seen.is_borne(LITTLE).is_counted(bad_frames=seen.events)
    # All are one kind of trouble, whose first reason is told.
    seen.is_told_once("a nameless command ends in the middle of a field")


def test_commands_that_have_no_place(siege):
    seen = siege.run("misplaced_commands", seconds=1)
    seen.is_borne(LITTLE).is_counted(misplaced_commands=seen.events).is_told_once("where none belongs")
