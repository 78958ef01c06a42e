//! Which kernels match, and which of those is chosen.

use super::*;

/// Where a client with these wishes goes while one kernel of each runtime lives, in use by someone: k0 python3, k1 lua,
/// k2 gpu. `None`: to a new one.
fn goes_to(fleet_metadata: &str) -> Option<usize> {
    let mut fleet = Fleet::new(settings());
    for (pid, runtime) in [(1, "python3"), (2, "lua"), (3, "gpu")] {
        fleet.join(runtime, pid, &format!(r#"{{"runtime": "{runtime}"}}"#));
    }
    fleet.connect("asker", process(9));
    match fleet.decide("asker", RequestKind::Other, fleet_metadata) {
        Decision::Forward(id) => (0..3).find(|number| kernel(*number) == id),
        Decision::Launch(..) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_thing_asked_for_must_hold() {
    for (wish, expected) in [
        (r#"{}"#, 0),
        (r#"{"runtime": "lua"}"#, 1),
        (r#"{"language": "lua"}"#, 1),
        (r#"{"language": "Lua"}"#, 1),
        (r#"{"providers": ["openai"]}"#, 1),
        (r#"{"providers": ["openai", "anthropic"]}"#, 1),
        (r#"{"labels": ["gpu"]}"#, 2),
        (r#"{"labels": ["gpu", "fast"], "language": "python"}"#, 2),
        (r#"{"memory_limit": "1G"}"#, 0),
        (r#"{"debug": true}"#, 0),
        (r#"{"kernel": "k2"}"#, 2),
        (r#"{"kernel": "k1", "runtime": "lua"}"#, 1),
    ] {
        assert_eq!(goes_to(wish), Some(expected), "{wish}");
    }
}

#[test]
fn a_memory_limit_wants_a_kernel_with_an_enforced_limit_of_at_least_that() {
    let wish = r#"{"language": "python", "memory_limit": "2G"}"#;
    assert_eq!(goes_to(wish), None, "python3 has less, and gpu has no limit");
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    fleet.connect("b", process(2));
    let limited = Launch { memory_limit: Some("2G".parse().unwrap()), ..launch(2) };
    assert_eq!(fleet.decide("b", RequestKind::Other, wish), Decision::Launch(kernel(1), limited));
    assert_eq!(fleet.join("c", 3, wish), kernel(1), "now there is one");
    fleet.table.memory_limit_is_enforced(&kernel(1), false);
    assert_eq!(fleet.join("d", 4, wish), kernel(2), "nothing enforces the limit of the other one");
    assert_eq!(fleet.join("e", 5, r#"{"runtime": "gpu"}"#), kernel(0), "who asks for no limit takes any");
}

#[test]
fn a_kernel_without_a_limit_in_reserve_is_not_for_those_who_want_one() {
    let mut fleet = Fleet::new(settings());
    fleet.launched = 1;
    fleet.table.launch(&kernel(0), LUA);
    fleet.connect("a", process(1));
    let wish = r#"{"runtime": "lua", "memory_limit": "512M"}"#;
    let limited = Launch { memory_limit: Some("512M".parse().unwrap()), ..launch(LUA) };
    assert_eq!(fleet.decide("a", RequestKind::Other, wish), Decision::Launch(kernel(1), limited));
    assert_eq!(fleet.join("b", 2, r#"{"runtime": "lua", "group": "g"}"#), kernel(0));
}

#[test]
fn a_group_or_isolation_wants_a_kernel_of_its_own() {
    for wish in
        [r#"{"group": "team-a"}"#, r#"{"isolated": true}"#, r#"{"runtime": "lua", "group": "team-a"}"#]
    {
        assert_eq!(goes_to(wish), None, "{wish}");
    }
}

#[test]
fn names_of_runtimes_are_compared_without_regard_to_case() {
    assert_eq!(goes_to(r#"{"runtime": "Lua"}"#), Some(1));
    assert_eq!(goes_to(r#"{"runtime": "GPU", "isolated": true}"#), None);
}

#[test]
fn a_new_kernel_comes_from_the_first_runtime_that_can_satisfy_the_default_one_first() {
    let mut settings = settings();
    settings.default = 2;
    for (wish, expected) in [
        (r#"{"language": "python", "isolated": true}"#, 2),
        (r#"{"language": "python", "debug": true}"#, PYTHON),
        (r#"{"providers": ["openai"]}"#, LUA),
    ] {
        let mut fleet = Fleet::new(settings.clone());
        fleet.connect("a", process(1));
        let decision = fleet.decide("a", RequestKind::Other, wish);
        assert_eq!(decision, Decision::Launch(kernel(0), launch(expected)), "{wish}");
    }
}

fn candidate<'a>(
    id: &'a KernelId,
    offer: &'a Offer,
    clients: usize,
    load: usize,
    born: u64,
) -> Candidate<'a> {
    Candidate {
        kernel: id,
        offer,
        enforced: true,
        group: None,
        pristine: false,
        exclusive: false,
        clients,
        load,
        born,
    }
}

#[test]
fn the_least_loaded_is_chosen_then_the_least_busy_then_the_oldest() {
    let settings = settings();
    let ids: Vec<KernelId> = (0..4).map(kernel).collect();
    let chosen = |loads: [(usize, usize, u64); 4]| {
        let candidates: Vec<_> = ids
            .iter()
            .zip(loads)
            .map(|(id, (clients, load, born))| candidate(id, &settings.runtimes[PYTHON], clients, load, born))
            .collect();
        place(&Requirements::default(), &candidates, &settings)
    };
    let existing = |number| Placement::Existing(kernel(number));
    assert_eq!(chosen([(2, 0, 0), (1, 9, 1), (3, 0, 2), (2, 0, 3)]), existing(1), "fewest clients");
    assert_eq!(chosen([(1, 5, 0), (1, 2, 1), (1, 3, 2), (2, 0, 3)]), existing(1), "least busy");
    assert_eq!(chosen([(1, 1, 7), (1, 1, 6), (1, 1, 4), (1, 1, 5)]), existing(2), "oldest");
}

#[test]
fn who_names_a_kernel_means_it_whatever_its_group_but_not_against_a_named_group() {
    let mut fleet = Fleet::new(settings());
    let team = fleet.join("a", 1, r#"{"group": "team-a"}"#);
    assert_eq!(fleet.join("b", 2, r#"{"kernel": "k0"}"#), team);
    fleet.connect("c", process(3));
    let other_group = fleet.decide("c", RequestKind::Other, r#"{"kernel": "k0", "group": "team-b"}"#);
    assert!(matches!(&other_group, Decision::Refused(_)), "{other_group:?}");
}
