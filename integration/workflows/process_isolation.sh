#!/usr/bin/env bash
# Each kernel is a process of its own: one crashes, the other does not even notice.
. "$(dirname "$0")/fleet.sh"

process='io.open("/proc/self/stat"):read("n")'

say "Two groups, two processes."
left="$("$JUPYTER_FLEET" exec --group left -c "kept = 1; print($process)")"
right="$("$JUPYTER_FLEET" exec --group right -c "kept = 2; print($process)")"
[ "$left" != "$right" ] && echo "different processes"

say "The left one crashes in the middle of a cell. Whose cell it was is told; the kernel comes back by itself, empty."
refused as left --group left -c "os.execute('kill -KILL $left')"
as left --group left -c 'print("kept:", kept)'

say "The right one still is the same process, with its variables."
as right --group right -c "print('kept:', kept, $process == $right)"
