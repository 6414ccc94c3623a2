"""Inbound: mail to return paths, and what it reports of messages sent by plain SMTP."""
