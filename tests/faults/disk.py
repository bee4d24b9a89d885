"""A small file system of our own, which can be full and can lose its power.

It lies in an image behind a loop device. What a program wrote and did not sync is in the page
cache of the file system only; what it synced, and what the kernel wrote by itself, has reached
the image. A copy of the image is therefore what a disk without a volatile cache would hold after
a power cut at that moment. A disk that lies about its own cache is not shown by this.

Mounts are made in a mount namespace of the proof's own, and go with it.
"""
import os
import subprocess

SIZE_MIB = 256


class Disk:
    def __init__(self, directory):
        self.path = os.path.join(directory, "disk")
        self._image = os.path.join(directory, "disk.img")
        self._ballast = os.path.join(self.path, "ballast")
        os.mkdir(self.path)
        with open(self._image, "wb") as file:
            file.truncate(SIZE_MIB << 20)
        # Everything is laid out now: what is left for later would be written at any moment.
        _do("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        try:
            self._mount()
        except OSError:
            # Not everybody who is root may mount: containers, other people's machines.
            os.unlink(self._image)
            os.rmdir(self.path)
            raise

    def _mount(self):
        _do("mount", "-o", "loop,noatime", self._image, self.path)

    def fill(self):
        """Not one block is left."""
        free = os.statvfs(self.path)
        file = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            os.posix_fallocate(file, 0, free.f_bfree * free.f_bsize)
        except OSError:
            pass  # its own bookkeeping needs blocks as well; the rest is written below
        try:
            while os.write(file, bytes(4096)):
                os.fsync(file)
        except OSError:
            pass  # that was the last one
        finally:
            os.close(file)

    def free(self):
        os.unlink(self._ballast)
        # Else a power cut would bring it back.
        directory = os.open(self.path, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def cut(self, end_writer):
        """The power goes. Whoever writes must stand still; `end_writer` ends it."""
        copy = self._image + ".copy"
        _do("cp", "--sparse=always", self._image, copy)
        end_writer()
        # A child of the writer may still be at work on what exists no more.
        _do("umount", "--lazy", self.path)
        os.replace(copy, self._image)
        self._mount()

    def close(self):
        _do("umount", "--lazy", self.path)
        os.unlink(self._image)
        os.rmdir(self.path)


def _do(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
