"""The broker's disk: full, failing, or cut from power."""
import os

from nemesis.fault import Fault


class OnDisk(Fault):
    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.holds = {scene.broker}
        self.note = "broker"

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
            self.outcome = "the broker gave up"
            self.scene.broker.start(wait=False)

    def end(self):
        self.scene.disk.free()
        if not self.scene.broker.is_alive():
            self.scene.broker.start(wait=False)


class FailingSync(OnDisk):
    """fsync fails: what was written may or may not reach the disk."""
    name = "failing-sync"
    lasts = (0.2, 2)
    deaf = True

    @classmethod
    def missing(cls, scene):
        return scene.why_no_preloads

    def begin(self):
        with open(self.scene.sync_fails, "wb"):
            pass

    def tick(self):
        if not self.scene.broker.is_alive():
            self.outcome = "the broker gave up"
            self.scene.broker.start(wait=False)

    def end(self):
        os.unlink(self.scene.sync_fails)
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


FAULTS = (FullDisk, FailingSync, PowerCut)
