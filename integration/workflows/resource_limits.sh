#!/usr/bin/env bash
# A runtime with a memory limit: who takes too much is ended and told why; who stays below, or sits elsewhere, is not.
. "$(dirname "$0")/fleet.sh"

# 400 MB, one at a time.
greedy='hoard = {}; for megabyte = 1, 400 do hoard[megabyte] = string.rep(string.char(megabyte % 256), 2^20) end; print("has it all")'

say "A little is fine."
as modest --runtime lua-small -c 'some = string.rep("x", 2^20); print(#some, "bytes")'

say "Too much ends the kernel, and the error says so."
refused as greedy --runtime lua-small -c "$greedy"

say "The next cell gets a kernel that works."
as modest --runtime lua-small -c 'print("works")'

say "A kernel without a limit takes it all."
as rich --runtime lua -c "$greedy"

say "Who asks for more than the runtime gives is told before anything is started."
refused as huge --runtime lua-small --memory-limit 1G -c 'print("never")'
