"""Wall clocks that jump."""
import struct

from nemesis.fault import OnServer


class Jump(OnServer):
    """The wall clock of one process jumps by up to an hour, and back."""
    name = "clock-jump"
    lasts = (1, 4)

    @classmethod
    def missing(cls, scene):
        return scene.why_no_preloads

    def victims(self):
        return self.scene.all()

    def begin(self):
        seconds = self.random.choice([-3600, -60, -1, 1, 60, 3600])
        self.note += f" by {seconds} s"
        self.set(seconds)

    def set(self, seconds):
        with open(self.victim.env["PGW_CLOCK"], "r+b") as file:
            file.write(struct.pack("q", seconds))

    def end(self):
        self.set(0)


FAULTS = (Jump,)
