//! Whether another kernel may be launched: how many there may be, and how much memory they may have together.

use std::fmt;

use super::{KernelState, Refusal, Requirements, Table, refusal::LISTED, table::Kernel};
use crate::{byte_size::ByteSize, id::KernelId};

/// A kernel that has been admitted and entered, and is to be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Launch {
    /// The index of its runtime.
    pub runtime: usize,
    /// The most memory that it may use.
    pub memory_limit: Option<ByteSize>,
    /// Kernels in reserve that give way to it, and are to be stopped.
    pub displaced: Vec<KernelId>,
}

/// Why the fleet may not grow, and what takes the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoRoom {
    asked: String,
    bound: Bound,
    kernels: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    Kernels { most: usize },
    Memory { most: ByteSize, reserved: u64, wanted: ByteSize },
    Unlimited { most: ByteSize },
}

impl<A> Table<A> {
    /// Enters a kernel, if there is room for it. Kernels in reserve that nobody has had yet give way, the oldest first;
    /// they are stopped for nobody whom that would not help.
    pub(super) fn admit(
        &mut self,
        id: &KernelId,
        runtime: usize,
        memory_limit: Option<ByteSize>,
        asked: &Requirements,
    ) -> Result<Launch, Refusal> {
        let displaced = self.make_room(memory_limit).map_err(|bound| {
            let kernels = self.counted().map(|(id, kernel)| describe(id, kernel)).collect();
            Refusal::NoRoom(NoRoom { asked: asked.to_string(), bound, kernels })
        })?;
        for kernel in &displaced {
            self.stop_kernel(kernel);
        }
        self.launch(id, runtime);
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.offer.memory_limit = memory_limit;
        }
        Ok(Launch { runtime, memory_limit, displaced })
    }

    /// Whether a kernel of the runtime with this index could be launched now without any giving way.
    pub fn has_room_for(&self, runtime: usize) -> bool {
        let offer = self.settings.runtimes.get(runtime);
        offer.is_some_and(|offer| self.short_of(offer.memory_limit, &[]).is_none())
    }

    /// Kernels in reserve without which there is room; as many as it takes.
    fn make_room(&self, memory_limit: Option<ByteSize>) -> Result<Vec<KernelId>, Bound> {
        let mut reserve: Vec<_> = self.counted().filter(|(_, kernel)| kernel.pristine).collect();
        reserve.sort_by_key(|(_, kernel)| kernel.born);
        let mut reserve = reserve.into_iter();
        let mut displaced = Vec::new();
        while let Some(bound) = self.short_of(memory_limit, &displaced) {
            let (id, _) = reserve.next().ok_or(bound)?;
            displaced.push(id.clone());
        }
        Ok(displaced)
    }

    /// The bound that one more kernel would break, if these were gone.
    fn short_of(&self, memory_limit: Option<ByteSize>, without: &[KernelId]) -> Option<Bound> {
        let bounds = self.settings.bounds;
        let staying = || self.counted().filter(|(id, _)| !without.contains(id)).map(|(_, kernel)| kernel);
        if let Some(most) = bounds.kernels
            && staying().count() >= most.get()
        {
            return Some(Bound::Kernels { most: most.get() });
        }
        let most = bounds.memory?;
        let Some(wanted) = memory_limit else { return Some(Bound::Unlimited { most }) };
        let limits = staying().filter_map(|kernel| kernel.offer.memory_limit);
        let reserved = limits.fold(0_u64, |sum, limit| sum.saturating_add(limit.bytes()));
        let is_too_much = reserved.saturating_add(wanted.bytes()) > most.bytes();
        is_too_much.then_some(Bound::Memory { most, reserved, wanted })
    }

    /// The kernels that take room.
    fn counted(&self) -> impl Iterator<Item = (&KernelId, &Kernel<A>)> {
        self.kernels.iter().filter(|(_, kernel)| kernel.state != KernelState::Stopping)
    }
}

fn describe<A>(id: &KernelId, kernel: &Kernel<A>) -> String {
    let limit = kernel.offer.memory_limit.map(|limit| format!(", {limit}")).unwrap_or_default();
    format!("{id} ({}{limit})", kernel.offer.runtime)
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes| ByteSize::new(bytes).map_or_else(|| "nothing".to_owned(), |size| size.to_string());
        write!(f, "no kernel may be launched for what was asked for ({}): ", self.asked)?;
        match self.bound {
            Bound::Kernels { most } => {
                write!(f, "the fleet has its {most} kernels (max_kernels): {}. ", self.list())?;
                write!(f, "Stop one of them, or raise max_kernels in the fleet's config")
            }
            Bound::Memory { most, reserved, wanted } => {
                let left = size(most.bytes().saturating_sub(reserved));
                write!(
                    f,
                    "it needs {wanted} of memory, and of the fleet's {most} (max_memory) {left} is left. "
                )?;
                write!(f, "{} is reserved by {}. ", size(reserved), self.list())?;
                write!(
                    f,
                    "Stop one of them, ask for a lower memory_limit, or raise max_memory in the fleet's config"
                )
            }
            Bound::Unlimited { most } => write!(
                f,
                "the kernels of this fleet share {most} of memory (max_memory), and this one would have no limit. \
                 Ask for a memory_limit, or set memory_limit for its runtime in the fleet's config"
            ),
        }
    }
}

impl NoRoom {
    fn list(&self) -> String {
        let listed = self.kernels.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
        match self.kernels.len().saturating_sub(LISTED) {
            0 if self.kernels.is_empty() => "no kernel".to_owned(),
            0 => listed,
            more => format!("{listed} and {more} more"),
        }
    }
}
