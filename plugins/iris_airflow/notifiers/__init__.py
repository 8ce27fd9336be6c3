"""Where drift alerts go: an HTTP webhook, a Slack incoming webhook, e-mail."""
