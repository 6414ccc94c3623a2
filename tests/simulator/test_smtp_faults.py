"""SMTP: every kind of fault, in every phase in which it can happen."""

import time

import pytest

from tests.simulator.talk import Talk

MAIL = b"Message-ID: <k1@shop.test>\r\nSubject: Order 7\r\n\r\nHello\r\n"
STEPS = (
    ("banner", b""),
    ("ehlo", b"EHLO shop.test\r\n"),
    ("auth", b"AUTH PLAIN AGEAYg==\r\n"),
    ("mail", b"MAIL FROM:<a@shop.test>\r\n"),
    ("rcpt", b"RCPT TO:<b@shop.test>\r\n"),
    ("data", b"DATA\r\n"),
    ("dot", MAIL + b".\r\n"),
)
PHASES = [phase for phase, _ in STEPS]


def walk(talk: Talk, until: str = "dot") -> bytes:
    """The reply to the step `until`; every step before it must go well."""
    for phase, said in STEPS:
        talk.say(said)
        reply = talk.reply()
        if phase == until:
            return reply
        assert reply[:1] in (b"2", b"3"), (phase, reply)
    raise AssertionError(until)


@pytest.mark.parametrize("phase", PHASES)
def test_a_reply_can_be_ordered_in_each_phase(sim, phase):
    sim.order(
        target="smtp", kind="status", phase=phase, code=554, enhanced="5.7.1", message="not today"
    )
    with Talk(sim.smtp_port) as talk:
        assert walk(talk, phase) == b"554 5.7.1 not today"
    assert sim.count() == 0
    assert sim.faults()[0]["applied"] == 1


def test_an_unasked_reply_is_a_transient_refusal_of_the_recipient(sim):
    sim.order(target="smtp", kind="status")
    with Talk(sim.smtp_port) as talk:
        assert walk(talk, "rcpt") == b"451 4.0.0 ordered from the simulator"
        assert talk.ask(b"DATA") == b"503 5.5.1 need RCPT command"


def test_a_throttle_is_450(sim):
    sim.order(target="smtp", kind="throttle", phase="mail")
    with Talk(sim.smtp_port) as talk:
        assert walk(talk, "mail") == b"450 4.7.1 ordered from the simulator"


@pytest.mark.parametrize("phase", PHASES)
def test_421_ends_the_dialogue(sim, phase):
    sim.order(target="smtp", kind="status", phase=phase, code=421, enhanced="4.3.2")
    with Talk(sim.smtp_port) as talk:
        assert walk(talk, phase).startswith(b"421 4.3.2 ")
        assert talk.rest() == b""


@pytest.mark.parametrize("phase", PHASES)
def test_the_connection_is_dropped_in_each_phase_and_nothing_is_taken(sim, phase):
    sim.order(target="smtp", kind="drop", phase=phase)
    with Talk(sim.smtp_port) as talk:
        assert walk(talk, phase) == b""
    assert sim.count() == 0


def test_the_connection_is_dropped_in_the_middle_of_the_mail(sim):
    sim.order(target="smtp", kind="drop", phase="body", times=1)
    with Talk(sim.smtp_port) as talk:
        walk(talk, "data")
        talk.say(b"half a mail\r\n")
        assert talk.rest() == b""
    with Talk(sim.smtp_port) as talk:
        assert walk(talk).startswith(b"250 ")
    assert sim.count() == 1


@pytest.mark.parametrize("kind", ["refuse", "drop"])
def test_the_connection_is_cut_before_anything_is_said(sim, kind):
    sim.order(target="smtp", kind=kind, phase="connect", times=1)
    with Talk(sim.smtp_port) as talk:
        assert talk.rest() == b""
    with Talk(sim.smtp_port) as talk:
        assert talk.reply() == b"220 simulator.test ESMTP"


def test_accepted_then_cut(sim):
    sim.order(target="smtp", kind="cut_after_accept", times=1)
    with Talk(sim.smtp_port) as talk:
        assert walk(talk) == b""
    assert [(a["key"], a["recipient"]) for a in sim.arrivals()] == [("k1", "b@shop.test")]


def test_duplicated(sim):
    sim.order(target="smtp", kind="duplicate", times=1)
    with Talk(sim.smtp_port) as talk:
        assert walk(talk).startswith(b"250 ")
    first, second = sim.messages()
    assert first.id != second.id
    assert first.raw == second.raw == MAIL
    assert [a["key"] for a in sim.arrivals()] == ["k1", "k1"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_slow_answer_comes_late_and_all_goes_well(sim, phase):
    sim.order(target="smtp", kind="slow", phase=phase, seconds=0.15)
    with Talk(sim.smtp_port) as talk:
        begun = time.monotonic()
        assert walk(talk).startswith(b"250 ")
        assert time.monotonic() - begun >= 0.15
    assert sim.count() == 1


def test_a_slow_mail_is_there_before_its_answer(sim):
    sim.order(target="smtp", kind="slow", seconds=600)
    with Talk(sim.smtp_port) as talk:
        walk(talk, "data")
        talk.say(MAIL + b".\r\n")
        (mail,) = sim.wait_for(1)
        assert mail.key == "k1"
        begun = time.monotonic()
        sim.stop()
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("phase", PHASES)
def test_a_tarpit_drips_its_answer_and_all_goes_well(sim, phase):
    sim.order(target="smtp", kind="tarpit", phase=phase, seconds=0.004)
    with Talk(sim.smtp_port) as talk:
        begun = time.monotonic()
        assert walk(talk).startswith(b"250 ")
        # The shortest answer, "250 2.1.0 Ok", is 14 bytes with its line break.
        assert time.monotonic() - begun >= 14 * 0.004
    assert sim.count() == 1


def test_one_slow_dialogue_holds_up_no_other(sim):
    sim.order(target="smtp", kind="slow", phase="banner", seconds=600, times=1)
    with Talk(sim.smtp_port), Talk(sim.smtp_port) as talk:
        assert walk(talk).startswith(b"250 ")


def test_a_fault_can_be_for_one_recipient(sim):
    sim.order(target="smtp", kind="status", code=550, match={"recipient": "BAD-*@shop.test"})
    with Talk(sim.smtp_port) as talk:
        walk(talk, "mail")
        replies = [
            talk.ask(b"RCPT TO:<" + who + b"@shop.test>")[:3] for who in (b"b", b"bad-1", b"c")
        ]
        assert replies == [b"250", b"550", b"250"]


def test_a_fault_can_be_for_one_subject(sim):
    sim.order(target="smtp", kind="status", phase="dot", code=552, match={"subject": "order [78]"})
    with Talk(sim.smtp_port) as talk:
        assert walk(talk).startswith(b"552 5.0.0 ")
        for said in (STEPS[3][1], STEPS[4][1], STEPS[5][1]):
            talk.say(said)
            talk.reply()
        assert talk.ask(b"Subject: Order 9\r\n\r\n.").startswith(b"250 ")


def test_times_counts_down_and_the_next_order_takes_over(sim):
    sim.order(target="smtp", kind="status", code=451, phase="mail", times=2)
    sim.order(target="smtp", kind="status", code=554, phase="mail", times=1)
    with Talk(sim.smtp_port) as talk:
        walk(talk, "auth")
        replies = [talk.ask(b"MAIL FROM:<a@shop.test>")[:3] for _ in range(4)]
    assert replies == [b"451", b"451", b"554", b"250"]
    assert [fault["applied"] for fault in sim.faults()] == [2, 1]


def test_the_same_seed_gives_the_same_run(sim):
    def run() -> list[bytes]:
        sim.clear()
        sim.order(target="smtp", kind="status", phase="mail", probability=0.5, seed=7)
        with Talk(sim.smtp_port) as talk:
            walk(talk, "auth")
            replies = []
            for _ in range(40):
                replies.append(talk.ask(b"MAIL FROM:<a@shop.test>")[:3])
                talk.ask(b"RSET")
            return replies

    first = run()
    assert run() == first
    assert 8 < first.count(b"451") < 32


@pytest.mark.parametrize(
    ("local", "phase", "code"),
    [("bounce", "rcpt", b"550 5.1.1"), ("refuse", "rcpt", b"451 4.3.0")],
)
def test_recipients_that_are_refused_by_name(sim, local, phase, code):
    with Talk(sim.smtp_port) as talk:
        walk(talk, "mail")
        reply = talk.ask(b"RCPT TO:<" + local.encode() + b"+42@Simulator.Test>")
    assert reply.startswith(code)


@pytest.mark.parametrize(("local", "taken"), [("drop", 0), ("cut", 1)])
def test_recipients_at_whose_mail_the_line_is_cut(sim, local, taken):
    with Talk(sim.smtp_port) as talk:
        walk(talk, "mail")
        talk.ask(b"RCPT TO:<" + local.encode() + b"@simulator.test>")
        talk.say(b"DATA\r\n" + MAIL + b".\r\n")
        assert talk.rest() in (b"", b"354 End data with <CR><LF>.<CR><LF>\r\n")
    assert sim.count() == taken
