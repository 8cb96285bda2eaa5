"""The half of the driver that runs on the router, as root, with Python's standard library only.

It is shipped as one zip file (see ``napalm_frr.bundle``) and answers one JSON object per call:

- ``text``      the canonical form of an FRR configuration, and its tree
- ``vtysh``     the only module that talks to FRR
- ``converge``  takes FRR from its running configuration to a wanted one
- ``shadow``    tries a configuration on a second, isolated FRR
- ``commit``    stage, commit, confirm, revert, roll back
- ``store``     private files, the lock, the return timer
"""
