"""What all faults have in common."""
import redis as redis_client

from support.processes import eventually


class Fault:
    """One way to break a scene. It is made, begun, ticked while it lasts, and ended.

    `holds` are the parts it breaks: no other fault touches them meanwhile, so that every
    fault finds its victim whole and leaves it whole.
    """
    name = ""
    lasts = (0.5, 3)  #: seconds, from and to
    deaf = False  #: whether the broker can keep nothing, from its beginning to its end

    def __init__(self, scene, random):
        self.scene, self.random = scene, random
        self.seconds = random.uniform(*self.lasts)
        self.holds = set()
        self.note = ""     #: what is said of it when it begins
        self.outcome = ""  #: and when it has ended

    @classmethod
    def missing(cls, scene):
        """Why it cannot be injected here; None when it can."""
        return None

    def begin(self):
        """Break it. A victim that does not answer raises, and the fault is left out."""

    def tick(self):
        """Called again and again while it lasts."""

    def is_over(self):
        """Whether it has ended before its time."""
        return False

    def end(self):
        """Mend it; this must not fail."""


class OnServer(Fault):
    """A fault of one server, which `victims` offers."""

    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.victim = random.choice(self.victims())
        self.holds = {self.victim}
        self.note = scene.name_of(self.victim)

    def victims(self):
        raise NotImplementedError


def insist(server, *words):
    """A command that must get through, as soon as the server takes it."""
    def ask():
        try:
            with server.client(socket_timeout=2) as client:
                client.execute_command(*words)
            return True
        except redis_client.RedisError as problem:
            raise OSError(f"{words}: {problem}") from None
    eventually(ask, what=" ".join(map(str, words)))


def config(server, name, value):
    insist(server, "CONFIG", "SET", name, value)
