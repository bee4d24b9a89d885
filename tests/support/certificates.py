"""A private authority and a certificate for localhost, made by openssl(1)."""
import os
import subprocess


class Certificates:
    """`authority`, `certificate` and `key` are paths of PEM files in `directory`."""

    def __init__(self, directory, name="localhost"):
        self.authority = os.path.join(directory, "authority.pem")
        self.certificate = os.path.join(directory, f"{name}.pem")
        self.key = os.path.join(directory, f"{name}.key")
        self._authority_key = os.path.join(directory, "authority.key")
        if not os.path.exists(self.authority):
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                          "-nodes", "-keyout", self._authority_key, "-out", self.authority,
                          "-days", "2", "-subj", "/CN=tests",
                          "-addext", "basicConstraints=critical,CA:TRUE")
        request = os.path.join(directory, f"{name}.csr")
        extensions = os.path.join(directory, f"{name}.ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", self.key, "-out", request, "-subj", f"/CN={name}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.authority,
                      "-CAkey", self._authority_key, "-CAcreateserial", "-days", "2",
                      "-extfile", extensions, "-out", self.certificate)

    def client(self, name, subject=None, names=None, extra=(), days=2):
        """(certificate, key) of a client, signed by the same authority; `names` is a
        subjectAltName as openssl(1) writes it, `extra` are further lines of extensions."""
        stem = os.path.join(os.path.dirname(self.key), name)
        lines = ["basicConstraints=CA:FALSE", *extra]
        if names:
            lines.append(f"subjectAltName={names}")
        with open(stem + ".ext", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-utf8", "-keyout", stem + ".key", "-out", stem + ".csr",
                      "-subj", subject or f"/CN={name}")
        self._openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.authority, "-CAkey",
                      self._authority_key, "-CAcreateserial", "-days", str(days), "-extfile",
                      stem + ".ext", "-out", stem + ".pem")
        return stem + ".pem", stem + ".key"

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)
