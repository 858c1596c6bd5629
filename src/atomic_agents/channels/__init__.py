"""Ways to the operator: a notification on the desktop, a webhook, mail, Telegram, a command. Know only core."""
