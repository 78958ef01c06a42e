"""Fifty notebooks, eight at a time, each with a kernel manager of its own.

Who asks for the same shares one kernel and its variables: so do 25 notebooks of one team here, each of which leaves a
result for the others, under a name of its own. The other 25 all use the same names, as copies of one report do: each has to
be alone. A person would copy the kernelspec for those, and add `--isolated` to its command.
"""

import asyncio

import nbformat
import pytest
from nbclient import NotebookClient

from harness import kernelspecs
from harness.clients import execute
from harness.deadline import wait_until

AT_ONCE = 8
EACH = 25
SECONDS = 60

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("at_home")]


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


async def run_all(kernelspec, notebooks):
    """Runs them, eight at a time; returns each one's texts."""
    places = asyncio.Semaphore(AT_ONCE)

    async def run(each):
        async with places:
            client = NotebookClient(each, kernel_name=kernelspec, timeout=SECONDS, coalesce_streams=True)
            return texts(await client.async_execute())

    return await asyncio.gather(*map(run, notebooks))


def texts(finished):
    """What each cell printed, or its result."""
    outputs = [output for cell in finished.cells for output in cell.outputs]
    return [output["text"] if output.output_type == "stream" else output["data"]["text/plain"] for output in outputs]


def kernels(fleet, group):
    return [kernel for kernel in fleet.answer("list") if kernel["group"] == group]


def of_a_team(number):
    return notebook(
        f"result_{number} = {number}",
        f"print('notebook', {number})\nfor step in range(100): print({number} * 1000 + step)",
        f"results = globals().setdefault('results', {{}}); results[{number}] = result_{number} ** 2",
        f"results[{number}]",
    )


def alone(number):
    return notebook(
        "'number' in globals()",
        f"number, seen = {number}, []",
        "for step in range(100): seen.append(number); print(number * 1000 + step)",
        "import os\nlen(seen) == 100 and set(seen) == {number}, number, os.getpid()",
    )


def steps(number):
    return "".join(f"{number * 1000 + step}\n" for step in range(100))


async def test_25_notebooks_of_a_team_on_one_kernel(fleet, group, connect):
    kernelspec = kernelspecs.install(fleet, group)
    person = connect(group=group)
    done = await run_all(kernelspec, [of_a_team(number) for number in range(EACH)])
    assert done == [[f"notebook {number}\n{steps(number)}", str(number**2)] for number in range(EACH)]
    if not fleet.is_direct:
        assert execute(person, f"results == {{number: number**2 for number in range({EACH})}}").result == "True"
        (kernel,) = kernels(fleet, group)
        assert kernel["clients"] == 1


async def test_25_notebooks_that_want_to_be_alone(fleet, group):
    done = await run_all(kernelspecs.install(fleet, group, ["--isolated"]), [alone(number) for number in range(EACH)])
    assert [each[:2] for each in done] == [["False", steps(number)] for number in range(EACH)]
    told = [eval(each[2]) for each in done]
    assert [told_of[:2] for told_of in told] == [(True, number) for number in range(EACH)]
    assert len({pid for _, _, pid in told}) == EACH
    if not fleet.is_direct:
        wait_until(lambda: not kernels(fleet, group), SECONDS, lambda: f"the end of {kernels(fleet, group)}")
