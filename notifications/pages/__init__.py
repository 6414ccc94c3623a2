"""Pages for recipients: no log-in, no cookies, no script, nothing from elsewhere."""
