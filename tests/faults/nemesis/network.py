"""The network between the service and the broker."""
from nemesis.fault import Fault


class OnLink(Fault):
    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.holds = {scene.link}

    @classmethod
    def missing(cls, scene):
        return scene.why_no_link

    def begin(self):
        order = self.order()
        self.note = " ".join(f"{name} {value}" for name, value in order.items())
        self.scene.link.order(**order)

    def order(self):
        raise NotImplementedError

    def end(self):
        self.scene.link.order()


class Slow(OnLink):
    """Every packet is late, some later than those behind them."""
    name = "slow-net"
    lasts = (1, 5)

    def order(self):
        return {"delay_ms": self.random.choice([5, 50, 200]),
                "jitter_ms": self.random.choice([0, 10, 100])}


class Lossy(OnLink):
    """Packets are lost, doubled and overtaken."""
    name = "lossy-net"
    lasts = (1, 5)

    def order(self):
        return {"loss": self.random.choice([0.01, 0.05, 0.2]), "double": 0.02, "delay_ms": 5,
                "jitter_ms": 20}


class Partition(OnLink):
    """Nothing gets through: both ways, or one."""
    name = "partition"
    lasts = (0.5, 5)

    def order(self):
        return {"cut": self.random.choice([["there", "back"], ["there"], ["back"]])}


class HalfOpen(OnLink):
    """The connections that there are go dead without a word; new ones work."""
    name = "half-open"
    lasts = (0, 0.1)

    def order(self):
        return {"forget": True}


FAULTS = (Slow, Lossy, Partition, HalfOpen)
