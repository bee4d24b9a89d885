"""Clients that are known by their certificates, in both versions of TLS and of HTTP."""
import json
import signal
import subprocess
import threading

import pytest

from support.certificates import Certificates
from support.identities import Identities
from support.processes import PATIENCE_S, eventually, free_port
from support.servers import Purgeway, Redis, run_to_end

WAYS = [(tls, http) for tls in ("1.2", "1.3") for http in ("http1.1", "http2")]
NOBODY = 401
NO_ANSWER = 0


class Caller:
    """curl as a client with a certificate; gives the status and the body, (0, "") for no answer."""

    def __init__(self, port, certificates):
        self.url = f"https://localhost:{port}"
        self.authority = certificates.authority

    def __call__(self, client=None, key=None, tls="1.3", http="http2", path="/v1/queues",
                 body=None):
        words = ["curl", "-s", "--cacert", self.authority, f"--tlsv{tls}", "--tls-max", tls,
                 f"--{http}", "-w", "\n%{http_code}", self.url + path]
        if client:
            words += ["--cert", client[0], "--key", client[1]]
        if key:
            words += ["-H", f"X-API-Key: {key}"]
        if body is not None:
            words += ["--json", json.dumps(body)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text


@pytest.fixture(scope="module")
def ids(tmp_path_factory):
    ids = Identities(tmp_path_factory.mktemp("identities"))
    ids.add("spiffe", "queues:read", certificates=["uri:spiffe://example.org/shop"])
    ids.add("host", "queues:read", certificates=["dns:Shop.Example.org"])
    ids.add("mail", "queues:read", certificates=["email:ops@example.org"])
    ids.add("subject", "queues:read", certificates=["subject:CN=shop\\, inc,O=Example"])
    ids.add("purges", "purge:keys", certificates=["dns:purges.example.org"], key_prefixes=["p:"])
    ids.add("keyed", "queues:read")
    return ids


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("own")))


@pytest.fixture(scope="module")
def served(ids, own):
    port = free_port()
    with Redis() as redis, Purgeway(
            "serve", broker_url=redis.url(), identities_file=ids.path,
            tls_listen=f"127.0.0.1:{port}", tls_certificate=own.certificate, tls_key=own.key,
            tls_client_ca=own.authority) as server:
        server.call = Caller(port, own)
        server.cache = redis.client()
        yield server


@pytest.mark.parametrize("tls,http", WAYS)
@pytest.mark.parametrize("subject,names", [
    (None, "URI:spiffe://example.org/shop"),
    (None, "DNS:shop.EXAMPLE.org"),
    (None, "DNS:other.example.org,DNS:shop.example.org"),
    (None, "email:Ops@example.org"),
    ("/O=Example/CN=shop, inc", None),
])
def test_each_kind_of_name(served, own, subject, names, tls, http):
    assert served.call(own.client("client", subject, names), tls=tls, http=http)[0] == 200


@pytest.mark.parametrize("subject,names", [
    (None, None),
    (None, "URI:spiffe://example.org/shop2"),
    (None, "URI:spiffe://example.org/sho"),
    (None, "URI:SPIFFE://example.org/shop"),
    (None, "URI:dns:shop.example.org"),
    (None, "DNS:spiffe.example.org"),
    (None, "DNS:*.example.org"),
    (None, "email:shop.example.org"),
    ("/CN=dns:shop.example.org", None),
    ("/CN=shop.example.org", None),
    ("/O=Example/CN=shop", None),
    ("/CN=shop, inc", None),
    ("/O=Example/OU=shop, inc/CN=shop, inc", None),
])
def test_other_names_are_nobodys(served, own, subject, names):
    status, body = served.call(own.client("client", subject, names))
    assert status == NOBODY and json.loads(body)["code"] == "credentials_required"


def test_name_with_a_nul_is_none(served, own):
    """`shop.example.org\\0.evil.test` is another host, whatever a reader of C strings believes."""
    der = "shop.example.org".encode() + b"\0.evil.test"
    value = b"\x30" + bytes([len(der) + 2]) + b"\x82" + bytes([len(der)]) + der
    extra = ["2.5.29.17=DER:" + ":".join(f"{byte:02X}" for byte in value)]
    assert served.call(own.client("nul", extra=extra))[0] == NOBODY


def test_no_certificate(served):
    """Who has none can show a secret, and ask what anybody may."""
    assert served.call()[0] == NOBODY
    assert served.call(path="/livez")[0] == 200


def test_secret_goes_first(served, own, ids):
    client = own.client("client", names="DNS:purges.example.org")
    assert served.call(client)[0] == 403
    assert served.call(client, key=ids.keys["keyed"][0])[0] == 200
    assert served.call(client, key="pgw_" + "A" * 48)[0] == NOBODY


def test_name_is_no_secret(served, ids):
    """What stands for a certificate in the file opens nothing when it is shown as a key."""
    for name in ("uri:spiffe://example.org/shop", "\\0a name in a certificateuri:spiffe://x"):
        assert served.call(key=name)[0] == NOBODY
    assert served.call(key=ids.keys["keyed"][0])[0] == 200


@pytest.mark.parametrize("tls,http", WAYS)
def test_it_is_an_identity_like_others(served, own, tls, http):
    """Scopes and prefixes hold, and its jobs are its own."""
    client = own.client("client", names="DNS:purges.example.org")
    status, body = served.call(client, tls=tls, http=http, path="/v1/invalidations",
                               body={"keys": ["q:1"]})
    assert status == 403 and json.loads(body)["code"] == "not_covered"
    served.cache.set("p:1", 1)
    status, body = served.call(client, tls=tls, http=http, path="/v1/invalidations",
                               body={"keys": ["p:1"]})
    assert status == 202
    eventually(lambda: not served.cache.exists("p:1"))
    path = "/v1/jobs/" + json.loads(body)["job_id"]
    assert served.call(client, path=path)[0] == 200
    assert served.call(own.client("other", names="DNS:shop.example.org"), path=path)[0] == 403


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_certificate_of_a_stranger_ends_the_handshake(served, tmp_path_factory, tls):
    stranger = Certificates(str(tmp_path_factory.mktemp("stranger")))
    client = stranger.client("client", names="URI:spiffe://example.org/shop")
    assert served.call(client, tls=tls)[0] == NO_ANSWER


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("how", [{"days": -1}, {"extra": ["extendedKeyUsage=serverAuth"]}])
def test_certificate_that_is_not_for_this(served, own, how, tls):
    """One that has expired, and one that is for servers."""
    client = own.client("bad", names="URI:spiffe://example.org/shop", **how)
    assert served.call(client, tls=tls)[0] == NO_ANSWER


def test_name_taken_out_is_out_at_once(served, own, ids):
    """On connections that are open, too, and others do not notice."""
    client = own.client("brief", names="DNS:brief.example.org")
    ids.add("brief", "queues:read", certificates=["dns:brief.example.org"])
    eventually(lambda: served.call(client)[0] == 200)
    stop, others = threading.Event(), []

    def ask():
        while not stop.is_set():
            others.append(served.call(own_client)[0])

    own_client = own.client("stays", names="DNS:shop.example.org")
    thread = threading.Thread(target=ask)
    thread.start()
    ids.remove("brief")
    eventually(lambda: served.call(client)[0] == NOBODY)
    stop.set()
    thread.join()
    assert set(others) == {200}


def test_required(make, own, ids):
    port = free_port()
    make(Purgeway, "gateway", broker_url=make(Redis).url(), identities_file=ids.path,
         tls_listen=f"127.0.0.1:{port}", tls_certificate=own.certificate, tls_key=own.key,
         tls_client_ca=own.authority, tls_client_required=True)
    call = Caller(port, own)
    client = own.client("required", names="DNS:shop.example.org")
    for tls, http in WAYS:
        assert call(tls=tls, http=http, path="/livez")[0] == NO_ANSWER
        assert call(client, tls=tls, http=http)[0] == 200


def test_without_identities_it_is_a_lock_at_the_door(make, own):
    port = free_port()
    make(Purgeway, "gateway", broker_url=make(Redis).url(), tls_listen=f"127.0.0.1:{port}",
         tls_certificate=own.certificate, tls_key=own.key, tls_client_ca=own.authority,
         tls_client_required=True)
    call = Caller(port, own)
    assert call(own.client("anyone"))[0] == 200 and call()[0] == NO_ANSWER


@pytest.mark.parametrize("wrong,words", [
    ("shop.example.org", "begins with uri:"), ("dns:", "begins with uri:"),
    ("subject:CN=\u00fc", "printable ASCII"), (7, "must be a text"),
])
def test_mistakes_in_the_file(tmp_path, own, wrong, words):
    ids = Identities(tmp_path)
    ids.add("shop", "queues:read", certificates=[wrong])
    code, _, err = run_to_end("serve", "--check-config", "--identities-file", ids.path)
    assert code == 78 and words in err and ids.path in err and len(err.splitlines()) == 1


def test_same_name_twice(tmp_path):
    ids = Identities(tmp_path)
    ids.add("shop", "queues:read", certificates=["dns:a.example.org"])
    ids.add("till", "queues:read", certificates=["dns:A.example.org"])
    code, _, err = run_to_end("serve", "--check-config", "--identities-file", ids.path)
    assert code == 78 and "that of 'shop' already" in err


def test_authority_is_read_again(make, own, tmp_path):
    """At SIGHUP, as certificates are; an authority that is none changes nothing."""
    port, path = free_port(), tmp_path / "asked.pem"
    other = Certificates(str(tmp_path))
    path.write_bytes(open(other.authority, "rb").read())
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), log_level="info",
                  tls_listen=f"127.0.0.1:{port}", tls_certificate=own.certificate,
                  tls_key=own.key, tls_client_ca=str(path), tls_client_required=True)
    call, client = Caller(port, own), own.client("anyone")
    assert call(client)[0] == NO_ANSWER and call(other.client("anyone"))[0] == 200
    path.write_text("nothing")
    server.signal(signal.SIGHUP)
    line = eventually(lambda: server.log_contains("config.reload_failed"))
    assert "tls.client_ca" in line and str(path) in line
    assert call(other.client("anyone"))[0] == 200
    path.write_bytes(open(own.authority, "rb").read())
    server.signal(signal.SIGHUP)
    eventually(lambda: call(client)[0] == 200)


def test_mistakes_in_the_settings(tmp_path, own):
    """Each of them is found before anybody is let in."""
    tls = ["--tls-listen", "127.0.0.1:0", "--tls-certificate", own.certificate, "--tls-key",
           own.key, "--data-dir", str(tmp_path)]
    code, _, err = run_to_end("serve", "--check-config", *tls, "--tls-client-required", "true")
    assert code == 78 and "needs tls.client_ca" in err
    code, _, err = run_to_end("serve", "--check-config", *tls, "--tls-client-ca", "/nowhere.pem")
    assert code == 78 and "/nowhere.pem" in err
    code, _, err = run_to_end("serve", *tls, "--listen", "127.0.0.1:0", "--tls-client-ca", own.key)
    assert code == 78 and own.key in err and "authorities" in err
