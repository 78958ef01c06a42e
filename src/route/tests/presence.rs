//! Clients that come and go within one process, and what its connections hear and belong to meanwhile.

use super::*;

const LUA_WISH: &str = r#"{"runtime": "lua"}"#;

fn hears(fleet: &mut Fleet, before: &mut BTreeSet<KernelId>) -> Vec<KernelId> {
    for change in fleet.table.take_changes() {
        match change {
            Change::Joined { kernel, .. } => before.insert(kernel),
            Change::Left { kernel, .. } => before.remove(&kernel),
            Change::TakenOver { .. } => panic!("nobody was lost"),
        };
    }
    before.iter().cloned().collect()
}

#[test]
fn a_listener_outlives_its_shell() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), BTreeSet::new());
    fleet.subscribe(1, process(1));
    let python = fleet.join("a", 1, "");
    fleet.disconnect("a");
    assert_eq!(hears(&mut fleet, &mut heard), [python]);
    assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1)]);
}

#[test]
fn a_process_that_opens_sessions_one_after_the_other_hears_only_the_open_one() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), BTreeSet::new());
    fleet.subscribe(1, process(1));
    fleet.join("first", 1, "");
    fleet.disconnect("first");
    fleet.unsubscribe(1);
    assert_eq!(hears(&mut fleet, &mut heard), []);
    fleet.subscribe(2, process(1));
    let lua = fleet.join("second", 1, LUA_WISH);
    assert_eq!(hears(&mut fleet, &mut heard), [lua]);
}

#[test]
fn a_session_that_comes_back_hears_its_kernel_again() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), BTreeSet::new());
    let python = fleet.join("a", 1, "");
    fleet.disconnect("a");
    fleet.subscribe(1, process(1));
    assert_eq!(hears(&mut fleet, &mut heard), []);
    fleet.connect("a", process(1));
    assert_eq!(hears(&mut fleet, &mut heard), [python]);
}

#[test]
fn a_client_is_there_until_its_last_connection_ends() {
    let mut fleet = Fleet::new(settings());
    let shared = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.connect("b", process(2));
    fleet.disconnect("b");
    assert_eq!(fleet.table.others(&shared, &client("a"), fleet.now), 1);
    fleet.disconnect("b");
    assert_eq!(fleet.table.others(&shared, &client("a"), fleet.now), 0);
}

#[test]
fn a_heartbeat_belongs_to_the_kernel_of_its_process_else_of_its_user() {
    let mut fleet = Fleet::new(settings());
    let python = fleet.join("a", 1, "");
    let lua = fleet.join("b", 2, LUA_WISH);
    let kernel_at = |fleet: &Fleet, origin| fleet.table.kernel_at(EndpointId::DEFAULT, origin);
    assert_eq!(kernel_at(&fleet, process(1)), Some(python));
    assert_eq!(kernel_at(&fleet, process(2)), Some(lua.clone()));
    assert_eq!(kernel_at(&fleet, process(70)), Some(lua), "the youngest of the user's");
    assert_eq!(kernel_at(&fleet, Origin::Process { uid: 2000, pid: 5 }), None);
    assert_eq!(kernel_at(&fleet, Origin::Unknown), None);
    assert_eq!(
        fleet.table.kernel_at(KERNELS_OWN, process(1)),
        None,
        "it has come by another connection file"
    );
}

#[test]
fn a_session_that_comes_back_from_elsewhere_has_moved() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), BTreeSet::new());
    let python = fleet.join("a", 1, "");
    fleet.disconnect("a");
    fleet.connect("a", process(2));
    fleet.subscribe(2, process(2));
    fleet.disconnect("a");
    assert_eq!(hears(&mut fleet, &mut heard), [python], "its listener is where it is, not where it was");
    fleet.unsubscribe(2);
    fleet.connect("a", process(2));
    fleet.subscribe(1, process(1));
    assert_eq!(hears(&mut fleet, &mut heard), [], "whoever has its old process id is not it");
}
