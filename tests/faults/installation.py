"""Gateways and workers on a broker and a target, which a nemesis may break."""
import signal

from support.servers import Purgeway, Redis, program

SETTINGS = {"broker_timeout_ms": 1000, "target_timeout_ms": 1000, "worker_idle_ms": 1500,
            "worker_beat_ms": 500, "results_ttl_s": 36000, "threads": 1, "drain_ms": 20000,
            "audit_max": 100_000_000}
#: The steps at which a worker or a gateway may kill itself (src: PGW_FAILPOINT).
WORKER_STEPS = ("take.after", "effect.after", "settle.after")
GATEWAY_STEPS = ("accept.after_write",)


def has_failpoints():
    with open(program(), "rb") as file:
        return GATEWAY_STEPS[0].encode() in file.read()


class Installation:
    """Two gateways and two workers. `target` is None where the broker is the target as well."""

    def __init__(self, broker, target=None, target_db=0, results_db=0, env=None, **settings):
        self.broker, self.target_server = broker, target or broker
        self.target_db, self.results_db = target_db, results_db
        settings = {**SETTINGS, **settings}
        self.gateways, self.workers = ([
            Purgeway(role, allow_codes=(0, -signal.SIGKILL), env=env, start=False, **settings)
            for _ in range(2)] for role in ("gateway", "worker"))

    @classmethod
    def on_one_redis(cls, layout, rebounds):
        """`layout` is where results and target lie: beside the queue, or apart from it."""
        redis = Redis()
        settings = {"broker_url": redis.url(), "rebounds": rebounds}
        if layout == "beside":
            return cls(redis, **settings)
        return cls(redis, target_db=1, results_db=2, results_url=redis.url(db=2),
                   target_url=redis.url(db=1), **settings)

    def start(self):
        for server in self.services():
            server.start()
        return self

    def target(self):
        return self.target_server.client(db=self.target_db, socket_timeout=5)

    def services(self):
        return [*self.workers, *self.gateways]

    def stores(self):
        return list(dict.fromkeys([self.broker, self.target_server]))

    def all(self):
        return [*self.services(), *self.stores()]

    def name_of(self, server):
        if server is self.broker:
            return "broker"
        if server is self.target_server:
            return "target"
        number = (self.workers if server in self.workers else self.gateways).index(server)
        return f"{server.role} {number + 1}"

    def start_missing(self):
        for server in self.all():
            if not server.is_alive():
                server.start(wait=False)

    def close(self):
        """End it all; what did not end well."""
        problems = []
        for server in self.all():
            try:
                server.close()
            except AssertionError as problem:
                problems.append(str(problem))
        return problems
