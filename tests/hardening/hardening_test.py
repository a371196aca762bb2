"""What the flags of the top CMakeLists.txt left in the built program: hardening_test.py PROGRAM LIBRARY..."""

import os
import platform
import re
import subprocess
import sys
import unittest

PROGRAM, *LIBRARIES = sys.argv[1:]
LINKED = {"libcrypto", "libgcc_s", "libc", "libm"}
# Of scripts/install-user ("ld": for thread-local variables).
LINKED |= {"libssl", "ld"} if os.environ.get("PORTABLE") else {"libfcgi", "libmysqlcppconn", "libstdc"}


def readelf(file, *options):
    return subprocess.run(["readelf", "--wide", *options, file], check=True, capture_output=True, text=True).stdout


class HardeningTest(unittest.TestCase):
    def test_position_independent(self):
        self.assertRegex(readelf(PROGRAM, "--file-header"), r"Type: +DYN")
        self.assertRegex(readelf(PROGRAM, "--dynamic"), r"FLAGS_1.*\bPIE\b")

    def test_relocations_are_done_and_sealed_at_the_start(self):
        self.assertRegex(readelf(PROGRAM, "--dynamic"), r"FLAGS_1.*\bNOW\b")
        self.assertIn("GNU_RELRO", readelf(PROGRAM, "--program-headers"))

    def test_no_stack_is_executable_and_no_segment_writable_code(self):
        headers = readelf(PROGRAM, "--program-headers")
        segments = re.findall(r"^ +(\w+)(?: +0x\w+){5} ([RWE ]{3}) ", headers, re.M)
        self.assertIn(("GNU_STACK", "RW "), segments)
        self.assertEqual([], [segment for segment in segments if "W" in segment[1] and "E" in segment[1]])

    def test_checks_of_stack_and_memory(self):
        symbols = readelf(PROGRAM, "--dyn-syms")
        for symbol in ("__stack_chk_fail", r"__\w+_chk"):
            self.assertRegex(symbols, rf"UND {symbol}@")

    def test_nothing_is_linked_that_is_not_used(self):
        needed = re.findall(r"NEEDED.*\[(\w+)", readelf(PROGRAM, "--dynamic"))
        self.assertLessEqual(set(needed), LINKED)

    @unittest.skipUnless(platform.machine() == "x86_64", "as x86 does it")
    def test_large_frames_touch_each_page_of_the_stack(self):
        code = subprocess.run(["objdump", "--disassemble", PROGRAM], check=True, capture_output=True, text=True).stdout
        self.assertRegex(code, r"\bor[ql]? +\$0x0,(0x[0-9a-f]+)?\(%rsp\)")

    @unittest.skipUnless(platform.machine() == "x86_64", "of x86 alone")
    def test_targets_of_jumps_are_marked(self):
        # Of our objects: Debian's C library brings start files without the mark, so that the program has none.
        for library in LIBRARIES:
            notes = readelf(library, "--notes")
            with self.subTest(library=library):
                self.assertEqual(notes.count("\nFile: "), notes.count("x86 feature: IBT, SHSTK"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
