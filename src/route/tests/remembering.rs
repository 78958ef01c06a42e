//! Clients that come back, how many of them are remembered, and that nothing else is.

use super::*;

#[test]
fn a_client_that_reconnects_finds_its_kernel_however_late() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, r#"{"runtime": "lua"}"#);
    fleet.disconnect("a");
    fleet.now += LINGER * 1000;
    fleet.connect("a", process(2));
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Forward(id));
}

#[test]
fn a_client_that_reconnects_may_be_one_more_than_the_kernel_takes() {
    let mut fleet = Fleet::new(settings());
    let wish = r#"{"runtime": "gpu"}"#;
    let id = fleet.join("a", 1, wish);
    fleet.disconnect("a");
    assert_eq!((fleet.join("b", 2, wish), fleet.join("c", 3, wish)), (id.clone(), id.clone()));
    fleet.connect("a", process(1));
    assert_eq!(fleet.decide("a", RequestKind::Other, wish), Decision::Forward(id), "its state is there");
}

#[test]
fn a_detached_client_decides_anew() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.decide("a", RequestKind::Shutdown { restart: false }, "");
    let decision = fleet.decide("a", RequestKind::Other, r#"{"runtime": "lua"}"#);
    assert_eq!(decision, Decision::Launch(kernel(1), launch(LUA)));
}

#[test]
fn of_too_many_clients_the_one_that_left_first_is_forgotten() {
    let mut fleet = Fleet::new(Settings { remembered_clients: 2, ..settings() });
    let id = fleet.join("z", 1, "");
    fleet.join("a", 2, "");
    for session in ["z", "a"] {
        fleet.disconnect(session);
        fleet.now += LINGER;
    }
    fleet.join("m", 3, "");
    assert_eq!(fleet.table.clients_of(&id), [client("a"), client("m")]);
}

#[test]
fn connected_clients_are_never_forgotten() {
    let mut fleet = Fleet::new(Settings { remembered_clients: 2, ..settings() });
    let sessions = ["a", "b", "c", "d"];
    for (session, pid) in sessions.into_iter().zip(1..) {
        fleet.join(session, pid, "");
    }
    assert_eq!(fleet.table.clients_of(&kernel(0)), sessions.map(client));
}

#[test]
fn a_request_that_outlives_its_client_leaves_nothing_behind() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    fleet.decide("a", RequestKind::KernelInfo, "");
    fleet.disconnect("a");
    assert!(fleet.track(&kernel(0), "a", "1", "kernel_info_request", 7), "it is on its way all the same");
    assert_eq!(fleet.answered(&kernel(0), "1", "a"), Some(7));
    assert!(fleet.table.outstanding.is_empty());
}
