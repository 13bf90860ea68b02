"""Starting a protocol from a template (see `command`)."""
