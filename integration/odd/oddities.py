"""The sets of oddities that kernels of this suite have. A fleet finds kernelspecs when it starts, so they are named here."""

# Each of them makes no difference to a stock client.
HARMLESS = [
    ("nostdin",), ("nocontrol",), ("nohb",), ("nostdin", "nocontrol", "nohb"), ("latecontrol",), ("rebinds",),
    ("notopic",), ("oddtopic",), ("talksearly",),
    ("nulluser",), ("nullsession",), ("intid",), ("nodate",), ("floatdate",), ("nodatezone",), ("nannedheader",), ("twice",),
    ("pnosession",), ("ponlyid",), ("pnull", "talksearly"),
    ("nullmetadata",), ("nan",), ("surrogate",), ("nostatus",), ("oddstate",), ("bareinfo",), ("buffers",),
    ("nulluser", "nullsession", "intid", "nodate", "ponlyid", "nullmetadata"),
]

# What a kernel may leave out at the end of its cells. A client of its own waits for that for ever, but for no other cell.
ENDLESS = [("noreply",), ("noidle",), ("noreply", "noidle")]

SETS = [(), *HARMLESS, *ENDLESS]
