"""A FortiGate is managed over HTTPS, under its own certificate, by whoever has a token."""

import http.client
import ssl

CLEAR = (23, 80)  # telnet, HTTP
WAIT_SECONDS = 3
REFUSED = (401, 403)


def test_nobody_without_a_token(vars):
    """the API answers under the certificate that is known, and nobody without a token"""
    trust = ssl.create_default_context(cafile=vars["ansible_httpapi_ca_path"])
    port = int(vars.get("ansible_httpapi_port", 443))
    api = http.client.HTTPSConnection(
        vars["ansible_host"], port, timeout=WAIT_SECONDS, context=trust
    )
    api.request("GET", "/api/v2/cmdb/firewall/policy")
    assert api.getresponse().status in REFUSED


def test_nothing_in_clear(vars, answers):
    """neither telnet nor HTTP answers"""
    assert [port for port in CLEAR if answers(vars["ansible_host"], port)] == []
