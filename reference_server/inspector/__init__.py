"""The inspector: a page that shows a server's state live and speaks as clients of it; `handfast serve --inspect`."""
