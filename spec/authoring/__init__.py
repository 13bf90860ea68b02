"""What authors of documents use: checks beyond those without which a document cannot be used."""
