#!/usr/bin/env bash
# Several developers on one fleet: A works with OpenAI's models, B with Anthropic's, and C joins A.
. "$(dirname "$0")/fleet.sh"

say "A asks for Lua with openai, B for Lua with anthropic. Each gets a kernel of its own."
as A --language lua --provider openai -c 'project = "poems"; print(os.getenv("LLMSPELL_PROVIDER"), project)'
as B --language lua --provider anthropic -c 'print(os.getenv("LLMSPELL_PROVIDER"), project)'

say "B's variables are B's: the same name, another value."
as B --language lua --provider anthropic -c 'project = "proofs"'

say "C needs what A needs, so C is in A's kernel and reads A's variable."
as C --language lua --provider openai -c 'print(os.getenv("LLMSPELL_PROVIDER"), project)'

say "C goes on with it, and A sees that."
as C --language lua --provider openai -c 'project = project .. " and songs"'
as A --language lua --provider openai -c 'print(project)'
as B --language lua --provider anthropic -c 'print(project)'
