//! The keys of what can be wished for: those of the routing metadata.

/// A key of [`Requirements`](crate::route::Requirements).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// The runtime's name; a bare word means it too.
    Runtime,
    /// The kernel's language.
    Language,
    /// Within which group the kernel is shared; empty for none.
    Group,
    /// How much memory it must be allowed.
    MemoryLimit,
    /// Providers it must have.
    Providers,
    /// Labels it must have.
    Labels,
    /// Whether it must have a debugger.
    Debug,
    /// Whether nobody else may have it.
    Isolated,
    /// Its id.
    Kernel,
}

impl Key {
    pub(super) const ALL: [Self; 9] = [
        Self::Runtime,
        Self::Language,
        Self::Group,
        Self::MemoryLimit,
        Self::Providers,
        Self::Labels,
        Self::Debug,
        Self::Isolated,
        Self::Kernel,
    ];

    /// The key with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Its name in the routing metadata.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Language => "language",
            Self::Group => "group",
            Self::MemoryLimit => "memory_limit",
            Self::Providers => "providers",
            Self::Labels => "labels",
            Self::Debug => "debug",
            Self::Isolated => "isolated",
            Self::Kernel => "kernel",
        }
    }

    /// How it is written, and what it asks for.
    pub(super) fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Runtime => ("runtime=NAME or just NAME", "a kernel of this runtime, such as lua"),
            Self::Language => ("language=NAME", "a kernel of this language, such as python"),
            Self::Group => {
                ("group=NAME", "a kernel that is shared within this group only; group= for no group")
            }
            Self::MemoryLimit => (
                "memory_limit=SIZE",
                "a kernel with an enforced memory limit of at least this much, such as 512M",
            ),
            Self::Providers => ("providers=A,B", "a kernel with access to these model providers"),
            Self::Labels => ("labels=A,B", "a kernel with these labels"),
            Self::Debug => ("debug", "a kernel with a debugger"),
            Self::Isolated => ("isolated", "a kernel that nobody else has"),
            Self::Kernel => ("kernel=ID", "this very kernel; %fleet list shows the ids"),
        }
    }

    /// Whether its name alone is enough.
    pub(super) fn is_flag(self) -> bool {
        matches!(self, Self::Debug | Self::Isolated)
    }

    /// Whether its value is a list, separated by commas.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Providers | Self::Labels)
    }
}
