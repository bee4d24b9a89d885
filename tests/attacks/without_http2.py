"""The program that was built without HTTP/2 (-DPGW_HTTP2=OFF); tests/run attacks builds it.

    PURGEWAY=build-http1/purgeway pytest tests/attacks/without_http2.py
"""
import shutil
import socket
import ssl
import subprocess

import pytest

from frames import hello, whole_get
from support.client import Client, Raw
from support.processes import free_port
from support.servers import Purgeway, program, run_to_end

pytestmark = pytest.mark.patched("what is not there cannot be attacked")


@pytest.fixture(scope="module")
def server(redis, certificates):
    port = free_port()
    with Purgeway("gateway", broker_url=redis.url(), broker_durability="memory",
                  tls_listen=f"127.0.0.1:{port}",
                  tls_certificate=certificates.certificate, tls_key=certificates.key) as one:
        one.tls_port = port
        yield one


def test_says_so():
    assert "without HTTP/2" in run_to_end("version")[1]


@pytest.mark.skipif(not shutil.which("nm"), reason="no nm")
def test_nothing_of_it_is_linked():
    names = subprocess.run(["nm", program()], capture_output=True, text=True, check=True).stdout
    assert "pgw_guard_h1" in names
    assert "guard_h2" not in names and "front_h2" not in names
    assert "h2o_http2_accept" not in names


def test_setting_is_off_and_cannot_be_turned_on():
    code, out, _ = run_to_end("gateway", "--print-config", "--broker-url", "redis://127.0.0.1")
    assert code == 0 and "http2: false" in out
    code, _, err = run_to_end("gateway", "--check-config", "--http2", "true",
                              "--broker-url", "redis://127.0.0.1")
    assert code == 78 and "http2" in err and "built without HTTP/2" in err


def test_preface_is_refused(server):
    with Raw(server.port, timeout=15) as raw:
        raw.send(hello() + whole_get(1))
        data = raw.until_closed()
    assert data == b"" or data.startswith(b"HTTP/1.1 400 "), data
    assert server.api.get("/livez").status == 200


def test_h2_is_not_offered_over_tls(server, certificates):
    context = ssl.create_default_context(cafile=certificates.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", server.tls_port), 60) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as peer:
        assert peer.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.tls_port), 60) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname="localhost").close()


def test_http_1_1_is_served(server, certificates):
    assert server.api.purge("a").status == 202
    client = Client(server.tls_port, "localhost", certificates.authority)
    assert client.get("/livez").status == 200
