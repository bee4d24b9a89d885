"""The broker's disk: full, or cut from power."""
from nemesis.fault import Fault


class OnDisk(Fault):
    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.holds = {scene.broker}

    @classmethod
    def missing(cls, scene):
        return scene.why_no_disk


class FullDisk(OnDisk):
    """No space left: the append-only file cannot be written."""
    name = "full-disk"
    lasts = (1, 4)

    def begin(self):
        self.scene.disk.fill()

    def tick(self):
        # A server that syncs always ends when it cannot; whoever supervises it starts it again.
        if not self.scene.broker.is_alive():
            self.note = "the broker gave up"
            self.scene.broker.start(wait=False)

    def end(self):
        self.scene.disk.free()
        if not self.scene.broker.is_alive():
            self.scene.broker.start(wait=False)


class PowerCut(OnDisk):
    """The broker's machine loses power: only what had left for the disk is there afterwards."""
    name = "power-cut"
    deaf = True
    lasts = (0, 0.5)

    def begin(self):
        broker = self.scene.broker
        broker.stand_still()
        self.scene.disk.cut(broker.kill9)

    def end(self):
        self.scene.broker.start(wait=False)


FAULTS = (FullDisk, PowerCut)
