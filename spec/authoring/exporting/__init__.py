"""Exports: what other tools read of a document, each stamped with the document's digest (see `kinds`)."""
