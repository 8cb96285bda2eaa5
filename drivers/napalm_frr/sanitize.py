"""Hide the secrets of a configuration, so that it may be shown, stored or sent."""

import re

HIDDEN = "<removed>"
# The words after which FRR's secrets stand. Hiding too much is better than too little: the rest of
# the line goes, too.
SECRET = re.compile(
    r"""^(.*\b(?:
        \S*password                 # vty, BGP, LDP, IS-IS
      | authentication-key | md5    # OSPF
      | key-string                  # key chains
      | authentication\ string      # RIP
      | nhrp\ authentication
      | secret | passphrase
    ))\ +\S.*$""",
    re.MULTILINE | re.VERBOSE,
)


def sanitize(config: str) -> str:
    """Return a configuration with the secrets replaced by a mark."""
    return SECRET.sub(rf"\1 {HIDDEN}", config)
