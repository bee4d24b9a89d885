#!/usr/bin/env python3
"""ctest lint_source: lengths, banned calls and unfinished words.

    check_source.py ROOT

Functions are found by their braces in column 0, which is where clang-format puts them.
"""
import pathlib
import re
import sys

FUNCTION_LINES = 70
FILE_LINES = 800
# name -> where under src/ it is at home all the same (a path's beginning)
BANNED = {
    **dict.fromkeys("strcpy strcat sprintf vsprintf strtok gets atoi atol atoll sscanf strncpy "
                    "strncat alloca rand srand random tmpnam mktemp system assert".split(), ()),
    **dict.fromkeys("malloc calloc realloc strdup strndup asprintf free".split(), ("base/",)),
    **dict.fromkeys("time gettimeofday clock_gettime".split(), ("base/clock",)),
    **dict.fromkeys("pthread_mutex_lock pthread_mutex_init pthread_mutex_unlock".split(),
                    ("base/log",)),
    # They fail without a word when there is nothing to add.
    **dict.fromkeys("json_object_set json_object_set_new json_array_append json_array_append_new "
                    "json_array_set json_array_set_new".split(), ("base/", "http/", "cli/value")),
}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(sorted(BANNED)))
# Spelled so that the list does not find itself.
WORDS = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|HA[C]K|for n[o]w|simpl[i]fied|placeh[o]lder|"
                   r"not impl[e]mented)\b|(?:^|[\s\"'(=`])/wor[k]/", re.I)
WORD_FOLDERS = "src include lua openapi web deploy docs tests bench .ci".split()
TEXT = {".c", ".h", ".lua", ".yaml", ".yml", ".html", ".md", ".py", ".sh", ".txt", ".service", ""}
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """The same lines without what stands in comments and literals."""
    return TOKEN.sub(lambda m: "\n" * m.group().count("\n") or " ", text)


def lengths(path, lines):
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines, more than {FILE_LINES}; what is the missing noun?"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            if number - start - 1 > FUNCTION_LINES:
                yield f"{path}:{start}: a function of {number - start - 1} lines, more than {FUNCTION_LINES}"
            start = None


def banned(path, inside, text):
    for number, line in enumerate(code_only(text).splitlines(), 1):
        for name in CALL.findall(line):
            if not inside.startswith(BANNED[name] or ("-",)):
                yield f"{path}:{number}: {name}() is banned here"


def words(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if WORDS.search(line):
            yield f"{path}:{number}: sounds unfinished or local: {line.strip()[:80]}"


def problems(root):
    for folder in "src include tests bench".split():
        for path in sorted((root / folder).rglob("*.[ch]")):
            text = path.read_text()
            yield from lengths(path, text.splitlines())
            if folder == "src":
                yield from banned(path, str(path.relative_to(root / "src")), text)
    files = [p for f in WORD_FOLDERS for p in sorted((root / f).rglob("*")) if p.is_file()]
    for path in [*files, *root.glob("*.md"), root / "CMakeLists.txt"]:
        # Corpora are bytes that look like anything.
        if path.suffix in TEXT and "corpus" not in path.parts:
            yield from words(path, path.read_text(errors="replace"))


bad = list(problems(pathlib.Path(sys.argv[1])))
print("\n".join(bad) or "source: ok")
sys.exit(bool(bad))
