"""Switches are managed over encrypted ways only."""

CLEAR = (23, 80)  # telnet, HTTP
ENCRYPTED = (22, 443)


def test_managed_encrypted(vars, answers):
    """the switch answers the workstation over SSH or HTTPS"""
    assert any(answers(vars["ansible_host"], port) for port in ENCRYPTED)


def test_nothing_in_clear(vars, answers):
    """neither telnet nor HTTP answers"""
    assert [port for port in CLEAR if answers(vars["ansible_host"], port)] == []
