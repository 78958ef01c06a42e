//! Cells: those for the fleet are carried out, the others wait for their turn.
//!
//! - `recognised`: what a cell wants of the fleet
//! - `commands`: `%fleet`, carried out
//! - `order`: one client's cells, whichever kernels they go to
//! - `queues`: what waits for one kernel
//! - `turns`: clients take turns
//! - `of_client`: the cells that one of them has at a kernel
//! - `waiting_notice`: who waits for whom is told
//! - `interrupt`: whom an interrupt is for

pub(super) mod commands;
pub(super) mod interrupt;
pub(super) mod of_client;
pub(super) mod order;
pub(super) mod queues;
pub(super) mod recognised;
pub(super) mod turns;
pub(super) mod waiting_notice;
