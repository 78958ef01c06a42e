//! Laws that hold over any history of operations.
//!
//! A [`World`] carries a history out on a table and keeps books of its own, simpler than the table's: `oracle` says
//! from those who must and who may hear what, and `replies` who is still owed what.

mod operation;
mod oracle;
mod replies;
mod world;

use proptest::prelude::*;

use operation::{Operation, histories};
use world::World;

proptest! {
    /// Checked after each step: replies reach their askers, subscribers hear what they may and must, isolated kernels
    /// stay so, no kernel is overfilled. And when all have left, nothing of them is left.
    #[test]
    fn the_laws_hold_at_every_step_and_nothing_is_left_at_the_end(
        history in histories(),
        kernels_first in any::<bool>(),
    ) {
        let mut world = World::new();
        for operation in &history {
            world.carry_out(operation);
            world.check_hearing();
            world.check_kernels();
        }
        world.end(kernels_first);
    }

    #[test]
    fn the_same_history_gives_the_same_decisions(history in histories()) {
        let run = |history: &[Operation]| -> Vec<String> {
            let mut world = World::new();
            history.iter().map(|operation| world.carry_out(operation)).collect()
        };
        prop_assert_eq!(run(&history), run(&history));
    }
}
