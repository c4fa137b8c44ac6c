"""The daemon's command: settings, checks, connection, integrations, workers."""
