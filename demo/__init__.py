"""A page that recommends and listens: `python -m demo`. Nothing else imports this package."""
