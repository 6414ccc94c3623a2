"""Starting and stopping."""

from datetime import UTC, datetime

import pytest

from delivery.simulator.server import Config, Simulator
from delivery.simulator.tls import make_certificate
from tests.simulator.talk import Talk
from tests.simulator.test_smtp import MAIL, client, opened


def test_stopping_ends_open_connections_and_starting_again_keeps_port_and_mail(sim):
    with Talk(sim.smtp_port) as talk, Talk(sim.address.smtp_port) as other:
        opened(talk)
        assert talk.ask(MAIL + b".").startswith(b"250 ")
        other.reply()
        port = sim.smtp_port
        sim.stop()
        assert talk.rest() == b""
        assert other.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        Talk(port)
    assert sim.count() == 1
    sim.start()
    with client(sim) as smtp_client:
        smtp_client.sendmail("a@shop.test", ["b@shop.test"], MAIL)
    assert (sim.smtp_port, sim.count()) == (port, 2)


def test_a_half_shaken_tls_connection_does_not_hold_up_stopping():
    config = Config(certificate=make_certificate(at=datetime.now(UTC)))
    with Simulator(config) as sim, Talk(sim.smtps_port), Talk(sim.smtp_port) as talk:
        talk.reply()
        talk.ask(b"EHLO shop.test")
        assert talk.ask(b"STARTTLS").startswith(b"220 ")
        sim.stop()


def test_a_simulator_starts_once_and_not_on_a_port_in_use(sim):
    with pytest.raises(RuntimeError):
        sim.start()
    other = Simulator(Config(http_port=int(sim.http_url.rpartition(":")[2])))
    with pytest.raises(OSError, match="address already in use"):
        other.start()
    sim.stop()
    with other:
        assert other.count() == 0


def test_an_address_that_cannot_be_announced_is_an_error_at_once(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(FileExistsError):
        Simulator(Config(home=tmp_path)).start()
