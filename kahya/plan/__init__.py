"""The plan as an artefact: how it is written, kept and read again."""
