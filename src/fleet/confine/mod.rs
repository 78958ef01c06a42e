//! What holds the limits of kernels: cgroups where this process may make some, else the limits of single processes.
//!
//! [`Confinement`] finds out at the start of `serve` what there is, by trying it; each process of a kernel gets a
//! [`Confined`]. What a kernel is started with is the launcher's business ([`super::Start`]).
mod confined;
mod confinement;
mod delegated;
mod enforcement;
mod group;
mod legacy;
mod limits;
mod own_cgroups;
mod rights;
mod scope;
mod siblings;

pub use confined::Confined;
pub use confinement::{Confinement, ConfinementChoice, NoCgroups};
pub use enforcement::{Enforcement, Exceeded, Mechanism};
pub use group::Group;
pub use limits::KernelLimits;
pub use scope::enter_scope;
