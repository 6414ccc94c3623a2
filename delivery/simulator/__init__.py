"""The vendors' clouds, for tests, the sandbox and the demo: SMTP, Resend, Twilio.

It speaks their wire formats on loopback ports, keeps what it takes in a mailbox, and does wrong
what it is asked to. It knows nothing of the rest of Hiram.

    from delivery.simulator.server import Config, Simulator

    with Simulator() as sim:
        sim.order(target="smtp", kind="cut_after_accept", times=1)
        ...  # send to sim.smtp_host, sim.smtp_port, or below f"{sim.http_url}/resend/"
        assert sim.wait_for(1)[0].content.text == "Hello\\r\\n"

As a process it is `manage.py simulator`. The API is listed in `delivery.simulator.api`, the
faults in `delivery.simulator.orders`. Recipients that need no order, in SMTP and Resend:

bounce@simulator.test    550 5.1.1, or 422 validation_error: final
refuse@simulator.test    451 4.3.0, or 500 application_error: for now
throttle@simulator.test  450 4.7.1, or 429 with Retry-After
slow@simulator.test      taken, answered 5 s late
drop@simulator.test      cut without an answer, not taken
cut@simulator.test       taken, then cut without an answer
"""
