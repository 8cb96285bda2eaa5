"""Switches are managed over encrypted ways only."""

import socket

CLEAR = (23, 80)  # telnet, HTTP
ENCRYPTED = (22, 443)
WAIT_SECONDS = 3


def test_managed_encrypted(vars):
    """the switch answers the workstation over SSH or HTTPS"""
    assert any(_answers(vars["ansible_host"], port) for port in ENCRYPTED)


def test_nothing_in_clear(vars):
    """neither telnet nor HTTP answers"""
    assert [port for port in CLEAR if _answers(vars["ansible_host"], port)] == []


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), WAIT_SECONDS).close()
    except OSError:
        return False
    return True
