//! How commands end.

use super::kernelspec::UsageError;
use crate::admin::CallError;

/// What was asked for could not be done.
pub const FAILED: u8 = 1;

/// What was typed cannot be done; clap ends with it too.
pub const USAGE: u8 = 2;

/// No fleet answers, or not in time, or it went away.
pub const NO_FLEET: u8 = 3;

/// The last words of each command's help.
pub(super) const HELP: &str =
    "Exit code: 0 if it was done, 1 if it failed, 2 if the command line is wrong, 3 if no fleet is running.";

/// The exit code of a command that ended with this error.
pub fn of(error: &anyhow::Error) -> u8 {
    if error.is::<UsageError>() {
        return USAGE;
    }
    let no_fleet = error.downcast_ref::<CallError>().is_some_and(CallError::is_no_fleet);
    if no_fleet { NO_FLEET } else { FAILED }
}
