"""Identities for tests: keys made by the program, and the file that lists them."""
import json
import os

from support.client import Client
from support.servers import run_to_end


def new_key():
    """(key, hash), as `purgeway key new` prints them."""
    code, out, err = run_to_end("key", "new")
    assert code == 0 and not err, (code, err)
    key, digest = out.split()
    return key, json.loads(digest)


class Identities:
    """A file of identities; JSON is YAML. An identity covers everything unless told otherwise."""

    def __init__(self, directory):
        self.path = os.path.join(str(directory), "identities.yaml")
        self.all = {}
        self.keys = {}
        self.write()

    def add(self, name, *scopes, **members):
        """A new identity, or a new version of one; gives its key."""
        if name not in self.keys:
            self.keys[name] = new_key()
        self.all[name] = {"name": name, "keys": [self.keys[name][1]], "scopes": list(scopes),
                          "key_prefixes": [""], "tag_prefixes": [""], "targets": ["*"], **members}
        self.write()
        return self.keys[name][0]

    def remove(self, name):
        del self.all[name]
        self.write()

    def write(self, text=None):
        """Put another file in place of the one that is there."""
        fresh = self.path + ".new"
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text or json.dumps({"identities": list(self.all.values())}, indent=1))
        os.replace(fresh, self.path)


class Known(Client):
    """A client that shows a key with every request."""

    def __init__(self, port, key, header="Authorization"):
        super().__init__(port)
        self._shown = {header: f"Bearer {key}" if header == "Authorization" else key}

    def request(self, method, path, body=None, headers=None, **options):
        return super().request(method, path, body, {**self._shown, **(headers or {})}, **options)
