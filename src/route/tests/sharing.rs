//! Who may share a kernel: groups, isolation, the most clients, and who may end or restart what is shared.

use super::*;

const LEAVE: RequestKind = RequestKind::Shutdown { restart: false };
const RESTART: RequestKind = RequestKind::Shutdown { restart: true };

#[test]
fn clients_that_need_the_same_share_a_kernel_within_their_group() {
    let mut fleet = Fleet::new(settings());
    let nobodys = fleet.join("a", 1, "");
    let team = fleet.join("b", 2, r#"{"group": "team-a"}"#);
    assert_ne!(nobodys, team);
    assert_eq!(fleet.join("c", 3, r#"{"group": "team-a"}"#), team);
    assert_eq!(fleet.join("d", 4, ""), nobodys);
    assert_eq!(fleet.table.clients_of(&team), [client("b"), client("c")]);
}

#[test]
fn an_isolated_kernel_is_one_clients_alone() {
    let mut fleet = Fleet::new(settings());
    let alone = fleet.join("a", 1, r#"{"isolated": true}"#);
    assert_ne!(fleet.join("b", 2, ""), alone);
    assert_ne!(fleet.join("c", 3, r#"{"isolated": true}"#), alone);
    fleet.connect("d", process(4));
    let decision = fleet.decide("d", RequestKind::Other, r#"{"kernel": "k0"}"#);
    assert!(matches!(&decision, Decision::Refused(_)), "not even by its id: {decision:?}");
}

#[test]
fn isolation_never_takes_a_kernel_that_someone_has_left() {
    let mut fleet = Fleet::new(settings());
    let used = fleet.join("a", 1, "");
    fleet.disconnect("a");
    fleet.now += LINGER;
    assert_ne!(fleet.join("b", 2, r#"{"isolated": true}"#), used, "its state is no fresh kernel's");
}

#[test]
fn a_full_kernel_takes_nobody_until_a_client_is_gone() {
    let mut fleet = Fleet::new(settings());
    let wish = r#"{"runtime": "gpu"}"#;
    let first = fleet.join("a", 1, wish);
    assert_eq!(fleet.join("b", 2, wish), first);
    let second = fleet.join("c", 3, wish);
    assert_ne!(second, first, "two clients are the most");
    assert_eq!(fleet.join("d", 4, wish), second);
    fleet.disconnect("a");
    assert_eq!(fleet.join("e", 5, wish), first, "a process without listeners has left at once");
}

#[test]
fn shutdown_detaches_all_but_the_last() {
    let mut fleet = Fleet::new(settings());
    let shared = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    assert_eq!(fleet.decide("a", LEAVE, ""), Decision::Detached(1));
    assert_eq!(fleet.table.kernel_of(&client("a")), None);
    assert_eq!(fleet.decide("b", LEAVE, ""), Decision::Stop(shared.clone()));
    assert_eq!(fleet.table.clients_of(&shared), []);
    assert_eq!(fleet.decide("b", LEAVE, ""), Decision::Detached(0), "asked twice");
}

#[test]
fn clients_that_are_gone_do_not_keep_a_kernel_from_stopping() {
    let mut fleet = Fleet::new(settings());
    let shared = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.subscribe(7, process(2));
    fleet.disconnect("b");
    assert_eq!(fleet.table.others(&shared, &client("a"), fleet.now), 1, "it lingers with its listener");
    fleet.now += LINGER;
    assert_eq!(fleet.decide("a", LEAVE, ""), Decision::Stop(shared));
    assert_eq!(fleet.table.kernel_of(&client("b")), None);
}

#[test]
fn anyone_may_restart_a_shared_kernel_unless_only_a_sole_client_may() {
    for (restart, allowed) in [(RestartRight::Anyone, true), (RestartRight::Sole, false)] {
        let mut fleet = Fleet::new(Settings { restart, ..settings() });
        let shared = fleet.join("a", 1, "");
        assert_eq!(fleet.decide("a", RESTART, ""), Decision::Restart(shared.clone()), "alone");
        fleet.join("b", 2, "");
        let expected = if allowed {
            Decision::Restart(shared.clone())
        } else {
            Decision::RestartRefused(shared.clone(), 1)
        };
        assert_eq!(fleet.decide("a", RESTART, ""), expected);
        assert_eq!(fleet.table.clients_of(&shared).len(), 2, "the bindings stay");
    }
}

#[test]
fn every_client_may_interrupt() {
    let mut fleet = Fleet::new(settings());
    let shared = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    for session in ["a", "b"] {
        assert_eq!(fleet.decide(session, RequestKind::Interrupt, ""), Decision::Interrupt(shared.clone()));
    }
}
