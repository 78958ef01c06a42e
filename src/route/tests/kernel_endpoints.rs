//! Connection files that lead to one kernel: who gets in, and that nobody hears through the wall.

use super::*;

fn leads_to(id: &KernelId) -> Requirements {
    Requirements { kernel: Some(id.clone()), ..Requirements::default() }
}

/// What becomes of a client that comes by the kernel's own file.
fn enter(fleet: &mut Fleet, id: &KernelId, session: &str, wish: &str) -> Decision {
    fleet.connect(session, process(1));
    fleet.decide_over(&leads_to(id), session, RequestKind::Other, wish)
}

fn refusal(decision: Decision) -> String {
    match decision {
        Decision::Refused(refusal) => refusal.to_string(),
        other => panic!("it is let in: {other:?}"),
    }
}

#[test]
fn an_own_file_leads_to_its_kernel_whatever_else_would_fit() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "");
    let team = fleet.join("b", 2, r#"{"group": "team-a"}"#);
    assert_eq!(enter(&mut fleet, &team, "own", ""), Decision::Forward(team.clone()));
    assert_eq!(fleet.table.clients_of(&team), [client("b"), client("own")]);
}

#[test]
fn at_an_own_file_whoever_only_asks_who_the_kernel_is_has_decided() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, r#"{"runtime": "lua"}"#);
    let decision = fleet.decide_over(&leads_to(&id), "own", RequestKind::KernelInfo, "");
    assert_eq!(decision, Decision::Forward(id.clone()));
    assert_eq!(fleet.table.kernel_of(&client("own")), Some(&id));
}

#[test]
fn what_contradicts_the_own_file_is_refused_with_the_reason() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, r#"{"group": "team-a"}"#);
    let other = fleet.join("b", 2, r#"{"runtime": "lua"}"#);
    for (wish, reason) in [
        (format!(r#"{{"kernel": "{other}"}}"#), "this connection file leads to kernel k0 and to no other"),
        (r#"{"runtime": "lua"}"#.to_owned(), "kernel k0 is not runtime lua"),
        (r#"{"group": "team-b"}"#.to_owned(), "kernel k0 belongs to the group team-a"),
        (r#"{"isolated": true}"#.to_owned(), "kernel k0 is another client's"),
    ] {
        let text = refusal(enter(&mut fleet, &id, "own", &wish));
        assert!(text.contains(reason), "{text}");
        assert_eq!(fleet.table.kernel_of(&client("own")), None);
    }
    assert_eq!(enter(&mut fleet, &id, "own", r#"{"kernel": "k0"}"#), Decision::Forward(id));
}

#[test]
fn the_own_file_of_an_isolated_kernel_lets_its_holder_in_and_nobody_else() {
    let mut fleet = Fleet::new(settings());
    let alone = fleet.join("a", 1, r#"{"isolated": true}"#);
    assert_eq!(enter(&mut fleet, &alone, "own", ""), Decision::Forward(alone.clone()));
    fleet.connect("b", process(2));
    let by_id = fleet.decide("b", RequestKind::Other, r#"{"kernel": "k0"}"#);
    assert!(refusal(by_id).contains("another client's"));
}

#[test]
fn the_own_file_of_a_full_kernel_or_of_one_that_is_gone_lets_nobody_in() {
    let mut fleet = Fleet::new(settings());
    let full = fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    fleet.join("b", 2, r#"{"runtime": "gpu"}"#);
    assert!(refusal(enter(&mut fleet, &full, "own", "")).contains("already has its 2 clients"));
    fleet.table.remove_kernel(&full);
    assert!(refusal(enter(&mut fleet, &full, "own", "")).contains("there is no kernel k0"));
    assert_eq!(fleet.launched, 1, "none is launched in its place");
}

#[test]
fn one_process_hears_at_each_of_its_ports_what_belongs_there() {
    let mut fleet = Fleet::new(settings());
    fleet.subscribe(1, process(1));
    fleet.subscribe_by(KERNELS_OWN, 2, process(1));
    let published = fleet.join("a", 1, "");
    let own = fleet.join("b", 2, r#"{"runtime": "lua"}"#);
    enter(&mut fleet, &own, "own", "");
    assert_eq!(fleet.heard_by(1), std::slice::from_ref(&published));
    assert_eq!(fleet.heard_by(2), std::slice::from_ref(&own));
    assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1)]);
    assert_eq!(fleet.table.listeners(&client("own")), [ConnectionId(2)]);
    assert_eq!(fleet.table.kernel_at(EndpointId::DEFAULT, process(1)), Some(published));
    assert_eq!(fleet.table.kernel_at(KERNELS_OWN, process(1)), Some(own));
}

#[test]
fn each_own_file_is_waited_at_for_its_own_listeners() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    fleet.connect("own", process(1));
    fleet.subscribe(1, process(1));
    assert!(fleet.table.all_listen(&client("a"), fleet.now));
    assert!(!fleet.table.all_listen(&client("own"), fleet.now));
    fleet.subscribe_by(KERNELS_OWN, 2, process(1));
    assert!(fleet.table.all_listen(&client("own"), fleet.now));
}

#[test]
fn a_listener_behind_a_tunnel_hears_its_user_only_through_its_own_file() {
    let mut fleet = Fleet::new(settings());
    let published = fleet.join("a", 1, "");
    let own = fleet.join("b", 2, r#"{"runtime": "lua"}"#);
    enter(&mut fleet, &own, "own", "");
    for (endpoint, subscriber) in [(EndpointId::DEFAULT, 1), (KERNELS_OWN, 2)] {
        fleet.subscribe_by(endpoint, subscriber, process(70));
        fleet.table.widen(ConnectionId(subscriber));
    }
    assert_eq!(fleet.heard_by(1), [published, own.clone()]);
    assert_eq!(fleet.heard_by(2), [own]);
}

#[test]
fn what_one_client_takes_back_is_not_anothers_of_the_same_session() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("own a", 1, "");
    let twin = ClientId { endpoint: EndpointId::DEFAULT, ..client("own a") };
    let request = |client: &ClientId, address| Outstanding {
        client: client.clone(),
        session: client.session.clone(),
        msg_type: "execute_request".into(),
        channel: Channel::Shell,
        address,
        awaits_input: false,
        is_done: false,
    };
    assert!(fleet.table.track(&id, "1", request(&client("own a"), 7)));
    assert!(fleet.table.track(&id, "1", request(&twin, 8)));
    fleet.table.withdraw(&id, "1", &twin);
    assert_eq!(fleet.answered(&id, "1", "own a"), Some(7));
    assert_eq!(fleet.table.outstanding(&id), 0);
    assert!(fleet.table.outstanding.is_empty(), "both accounts are settled");
}
