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

SETS = [(), *HARMLESS]
