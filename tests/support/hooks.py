"""Webhooks for tests: the file that lists them, and senders that sign as services do."""
import base64
import hashlib
import hmac
import json
import os
import time
import uuid

SECRET = "a secret of the tests, long enough"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


class Hooks:
    """A file of hooks, with a file for each secret; JSON is YAML."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.path = os.path.join(self.directory, "hooks.yaml")
        self.all = {}
        self.write()

    def secret(self, text):
        """A reference to a secret."""
        path = os.path.join(self.directory, hashlib.sha256(text.encode()).hexdigest()[:16])
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        return "file:" + path

    def add(self, name, profile, rules, secrets=None, **members):
        if secrets is None:
            secrets = [STANDARD_SECRET if profile == "standard" else SECRET]
        self.all[name] = {"name": name, "profile": profile, "rules": rules,
                          "secrets": [self.secret(one) for one in secrets], **members}
        self.write()

    def write(self, text=None):
        """Put another file in place of the one that is there."""
        fresh = self.path + ".new"
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text or json.dumps({"hooks": list(self.all.values())}, indent=1))
        os.replace(fresh, self.path)


def mac(secret, *pieces):
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, b"".join(p if isinstance(p, bytes) else p.encode() for p in pieces),
                    hashlib.sha256).digest()


def base64_of(data):
    return base64.b64encode(data).decode()


def base64url_of(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def new_id():
    return "msg_" + uuid.uuid4().hex


def standard(body, _path, secret=STANDARD_SECRET, at=None, id=None):
    id, at = id or new_id(), str(int(at or time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return {"webhook-id": id, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64_of(mac(key, id, ".", at, ".", body))}


def github(body, _path, secret=SECRET, id=None):
    return {"X-Hub-Signature-256": "sha256=" + mac(secret, body).hex(),
            "X-GitHub-Delivery": id or new_id()}


def stripe(body, _path, secret=SECRET, at=None):
    at = str(int(at or time.time()))
    return {"Stripe-Signature": f"t={at},v1={mac(secret, at, '.', body).hex()},v0=00"}


def shopify(body, _path, secret=SECRET, id=None):
    return {"X-Shopify-Hmac-Sha256": base64_of(mac(secret, body)),
            "X-Shopify-Webhook-Id": id or new_id()}


def woocommerce(body, _path, secret=SECRET, id=None):
    return {"X-WC-Webhook-Signature": base64_of(mac(secret, body)),
            "X-WC-Webhook-Delivery-ID": id or new_id()}


def contentful(body, path, secret=SECRET, at=None, id=None):
    signed = {"x-contentful-signed-headers": "x-contentful-signed-headers,x-contentful-timestamp,"
                                             "x-contentful-topic",
              "x-contentful-timestamp": str(int((at or time.time()) * 1000)),
              "x-contentful-topic": "ContentManagement.Entry.publish"}
    line = ";".join(f"{name}:{value}" for name, value in sorted(signed.items()))
    return {**signed, **({"X-Contentful-Idempotency-Key": id} if id else {}),
            "x-contentful-signature":
                mac(secret, "POST\n", path, "\n", line, "\n", body).hex(),
            "Content-Type": "application/vnd.contentful.management.v1+json"}


def sanity(body, _path, secret=SECRET, at=None, id=None):
    at = str(int((at or time.time()) * 1000))
    return {"sanity-webhook-signature": f"t={at},v1={base64url_of(mac(secret, at, '.', body))}",
            "idempotency-key": id or new_id()}


def own(body, _path, secret=SECRET, id=None):
    """The profile hmac as the tests have it."""
    return {"X-Sig": "v0:" + base64_of(mac(secret, body)), "Idempotency-Key": id or new_id()}


def token(_body, _path, secret=SECRET, id=None):
    return {"Authorization": "Bearer " + secret, "Idempotency-Key": id or new_id()}


def gitlab(_body, _path, secret=SECRET, id=None):
    return {"X-Gitlab-Token": secret, "Idempotency-Key": id or new_id()}


#: name: how it signs, the members of its hook, and the headers that carry the signature
SENDERS = {
    "standard": (standard, {"profile": "standard"},
                 ["webhook-id", "webhook-timestamp", "webhook-signature"]),
    "github": (github, {"profile": "github"}, ["X-Hub-Signature-256"]),
    "stripe": (stripe, {"profile": "stripe"}, ["Stripe-Signature"]),
    "shopify": (shopify, {"profile": "shopify"}, ["X-Shopify-Hmac-Sha256"]),
    "woocommerce": (woocommerce, {"profile": "woocommerce"}, ["X-WC-Webhook-Signature"]),
    "contentful": (contentful, {"profile": "contentful"},
                   ["x-contentful-signature", "x-contentful-signed-headers",
                    "x-contentful-timestamp", "x-contentful-topic"]),
    "sanity": (sanity, {"profile": "sanity"}, ["sanity-webhook-signature"]),
    "own": (own, {"profile": "hmac", "header": "X-Sig", "prefix": "v0:", "encoding": "base64"},
            ["X-Sig"]),
    "token": (token, {"profile": "token"}, ["Authorization"]),
    "gitlab": (gitlab, {"profile": "token", "header": "X-Gitlab-Token"}, ["X-Gitlab-Token"]),
}


def deliver(client, hook, payload, sender, headers=None, **how):
    """Send a payload, a value or bytes, as a service signs it; `headers` replace (None: drop)."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    path = f"/v1/hooks/{hook}"
    sent = {"Content-Type": "application/json", **sender(body, path, **how)}
    for name, value in (headers or {}).items():
        if value is None:
            sent.pop(name, None)
        else:
            sent[name] = value
    return client.request("POST", path, body, sent)
