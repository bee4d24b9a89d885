"""A target that is not itself: something else answers in its place.

Whatever is answered here must not end a job: it is either what a Redis says that will come to
itself, or no answer of a Redis at all.
"""
import redis as redis_client

from nemesis.fault import Fault
from support.fake_redis import CLOSE, SILENCE, FakeRedis

#: What a real one says while it cannot, and later can.
EXCUSES = (b"LOADING Redis is loading the dataset in memory",
           b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or "
           b"SHUTDOWN NOSAVE.",
           b"MISCONF Redis is configured to save RDB snapshots, but it is currently not able to "
           b"persist on disk.",
           b"READONLY You can't write against a read only replica.",
           b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
           b"NOREPLICAS Not enough good replicas to write.",
           b"CLUSTERDOWN The cluster is down", b"TRYAGAIN Multiple keys request during rehashing",
           b"OOM command not allowed when used memory > 'maxmemory'.")
#: What none says: each is the answer to every command.
NOISE = (CLOSE, SILENCE, b"$-7\r\n", b"*2147483647\r\n", b"$2147483647\r\n", b"+" + b"x" * 100_000,
         b"*1\r\n" * 1000, b"~1\r\n_\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0\xff\r\n",
         b":99999999999999999999\r\n", b"$5\r\nab", b"*-2\r\n", b"\r\n")


class Impostor(Fault):
    """The target's name leads to somebody else, and the target's connections are cut."""
    lasts = (0.5, 4)

    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.holds = {scene.target_server}
        self.fake = None

    @classmethod
    def missing(cls, scene):
        return "the target is behind the network in this round" if scene.target_is_far else None

    def answers(self):
        raise NotImplementedError

    def begin(self):
        self.fake = FakeRedis()
        self.answers()
        self.scene.point_target_at(self.fake.socket_path)
        self.cut_all(self.scene.target_server)

    def end(self):
        if self.fake:
            self.scene.point_target_at(self.scene.target_server.socket_path)
            self.fake.drop_all()
            self.fake.close()

    @staticmethod
    def cut_all(server):
        with server.client(socket_timeout=1) as client:
            try:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            except redis_client.RedisError:
                pass  # it is dead already


class Excuses(Impostor):
    """Every effect is answered by an error of those that pass."""
    name = "excuses"

    def answers(self):
        excuse = self.random.choice(EXCUSES)
        self.note = excuse.partition(b" ")[0].decode()
        for name in ("UNLINK", "EXISTS", "EVAL", "EVALSHA", "SCAN"):
            self.fake.answers[name] = b"-" + excuse + b"\r\n"


class Noise(Impostor):
    """What answers is no Redis, or one that has lost its mind."""
    name = "noise"

    def answers(self):
        noise = self.random.choice(NOISE)
        self.note = "close" if noise is CLOSE else "silence" if noise is SILENCE \
            else repr(noise[:20])
        if self.random.random() < 0.5:
            self.fake.everything = noise
        else:
            # Only once it has been trusted.
            self.fake.answers["UNLINK"] = noise


FAULTS = (Excuses, Noise)
