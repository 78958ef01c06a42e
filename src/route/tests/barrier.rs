//! When a first request may go out: nothing that it causes can be missed.

use super::*;

fn all_listen(fleet: &Fleet, session: &str) -> bool {
    fleet.table.all_listen(&client(session), fleet.now)
}

#[test]
fn a_client_waits_for_its_listener_and_for_its_subscription() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    assert!(!all_listen(&fleet, "a"));
    fleet.subscribe(1, process(2));
    assert!(!all_listen(&fleet, "a"), "another process's listener");
    fleet.table.subscriber_arrived(ConnectionId(2), EndpointId::DEFAULT, process(1));
    assert!(!all_listen(&fleet, "a"), "it has not subscribed yet");
    fleet.table.topics_changed(ConnectionId(2), 1);
    assert!(all_listen(&fleet, "a"));
}

#[test]
fn as_many_listeners_as_clients_of_the_process_must_be_there() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    fleet.connect("b", process(1));
    fleet.subscribe(1, process(1));
    assert!(!all_listen(&fleet, "a") && !all_listen(&fleet, "b"), "whose listener is it?");
    fleet.subscribe(2, process(1));
    assert!(all_listen(&fleet, "a") && all_listen(&fleet, "b"));
}

#[test]
fn several_connections_of_one_client_need_one_listener() {
    let mut fleet = Fleet::new(settings());
    for _ in 0..3 {
        fleet.connect("a", process(1));
    }
    fleet.subscribe(1, process(1));
    assert!(all_listen(&fleet, "a"));
}

#[test]
fn the_listener_of_a_client_that_left_is_not_taken_for_anothers() {
    let mut fleet = Fleet::new(settings());
    fleet.subscribe(1, process(1));
    fleet.join("a", 1, "");
    fleet.disconnect("a");
    fleet.connect("b", process(1));
    assert!(!all_listen(&fleet, "b"));
    fleet.subscribe(2, process(1));
    assert!(all_listen(&fleet, "b"));
}

#[test]
fn after_its_time_a_client_that_left_counts_no_more() {
    let mut fleet = Fleet::new(settings());
    fleet.subscribe(1, process(1));
    fleet.join("a", 1, "");
    fleet.disconnect("a");
    fleet.now += LINGER;
    fleet.connect("b", process(1));
    assert!(all_listen(&fleet, "b"));
}

#[test]
fn a_process_that_opens_and_closes_sessions_one_after_the_other_never_waits() {
    for shell_closes_first in [true, false] {
        let mut fleet = Fleet::new(settings());
        for round in 0..5_u64 {
            let session = format!("session {round}");
            fleet.connect(&session, process(1));
            fleet.subscribe(round, process(1));
            assert!(all_listen(&fleet, &session), "round {round}, shell first: {shell_closes_first}");
            fleet.bind(&session, "");
            if shell_closes_first {
                fleet.disconnect(&session);
                fleet.unsubscribe(round);
            } else {
                fleet.unsubscribe(round);
                fleet.disconnect(&session);
            }
        }
    }
}

#[test]
fn sessions_that_never_bound_leave_no_trace() {
    let mut fleet = Fleet::new(settings());
    for round in 0..5_u64 {
        let session = format!("session {round}");
        fleet.connect(&session, process(1));
        fleet.disconnect(&session);
    }
    fleet.connect("a", process(1));
    fleet.subscribe(9, process(1));
    assert!(all_listen(&fleet, "a"));
}

#[test]
fn whoever_can_hear_nothing_is_not_waited_for() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", Origin::Unknown);
    assert!(all_listen(&fleet, "a"));
}
