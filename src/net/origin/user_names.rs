//! What this machine's users are called.

use std::sync::Arc;

use dashmap::DashMap;
use nix::unistd::{Uid, User};

/// Names that have been looked up, by user.
#[derive(Debug, Default)]
pub struct UserNames(DashMap<u32, Option<Arc<str>>>);

impl UserNames {
    /// The name of a user, if it has been looked up and has one.
    pub fn get(&self, uid: u32) -> Option<Arc<str>> {
        self.0.get(&uid)?.clone()
    }

    /// Whether a user has been looked up.
    pub fn knows(&self, uid: u32) -> bool {
        self.0.contains_key(&uid)
    }

    /// Looks a user up. That may ask another machine, so it is not for a thread that serves connections.
    pub fn look_up(&self, uid: u32) {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        self.0.insert(uid, user.map(|user| user.name.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_its_name_once_it_was_looked_up() {
        let names = UserNames::default();
        assert_eq!((names.get(0), names.knows(0)), (None, false));
        names.look_up(0);
        assert_eq!(names.get(0).as_deref(), Some("root"));
        names.look_up(u32::MAX - 7);
        assert_eq!((names.get(u32::MAX - 7), names.knows(u32::MAX - 7)), (None, true), "nobody is called so");
    }
}
