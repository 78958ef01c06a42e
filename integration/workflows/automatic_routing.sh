#!/usr/bin/env bash
# Nobody names a runtime: what a client needs decides which one it gets.
. "$(dirname "$0")/fleet.sh"

which='print(os.getenv("LLMSPELL_CONFIG") or "no llmspell", _VERSION)'

say "Nothing asked: the default runtime, which here is the built-in Lua."
as nothing -c "$which"

say "A provider asked: the runtime that has it."
as openai --provider openai -c "$which"
as anthropic --provider anthropic -c "$which"

say "A label asked: the runtime with that label."
as label --label small -c "$which"

say "More than any one runtime has: refused at once, with what is missing and what exists."
refused as both --provider openai --provider anthropic -c "$which"
