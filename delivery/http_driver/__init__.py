"""What drivers over HTTP share: one guarded request, and its answer read as a value.

A driver composes a `Call` and says what the vendor's own errors look like (`complaint`) and mean
(`faults`, `hints`). When an answer was lost, and what an answer means that is not the vendor's,
is decided here: what broke before the first byte could leave was not taken, silence after that
may have been, and a gateway's 5xx is silence.
"""

from delivery.http_driver.complaint import Complaint
from delivery.http_driver.driver import HttpDriver, endpoint
from delivery.http_driver.wire import Call, Reply, Unsendable, basic

__all__ = ["Call", "Complaint", "HttpDriver", "Reply", "Unsendable", "basic", "endpoint"]
