"""SMTP for drivers: the dialogue phase by phase, so that what became of a message is known."""

from delivery.smtp_driver.dialogue import SmtpDriver
from delivery.smtp_driver.letter import BadAddress, address

__all__ = ["BadAddress", "SmtpDriver", "address"]
